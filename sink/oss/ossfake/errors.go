package ossfake

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// Errors that several operations answer with.
var (
	noSuchKey = Code{Code: "NoSuchKey", Message: "The specified key does not exist.", EC: "0026-00000001"}
	exists    = Code{Code: "FileAlreadyExists", Message: "The object you specified already exists and can not be overwritten."}
	immutable = Code{Code: "FileImmutable", Message: "The object you specified is immutable."}
	invalid   = Code{Code: "InvalidArgument", Message: "The argument is not valid."}
	denied    = Code{Code: "AccessDenied", Message: "You have no right to access this object because of bucket acl.", EC: "0003-00000001"}
)

// because returns the code with another message.
func (c Code) because(format string, args ...any) Code {
	c.Message = fmt.Sprintf(format, args...)
	return c
}

// fail answers with an error: as XML, or in a header if the request is a HEAD.
func (c *call) fail(status int, code Code) {
	var message strings.Builder
	xml.EscapeText(&message, []byte(code.Message)) //nolint:errcheck // in memory
	c.answer.Status = status
	c.answer.Header.Del("ETag")
	c.xml("<Error>\n  <Code>%s</Code>\n  <Message>%s</Message>\n  <RequestId>%s</RequestId>\n  <HostId>%s.oss-%s.aliyuncs.com</HostId>\n  %s<EC>%s</EC>\n</Error>\n",
		code.Code, message.String(), c.answer.Header.Get("x-oss-request-id"), c.bucket, Region, code.Extra, code.EC)
	c.set("x-oss-ec", code.EC)
	if c.Method == http.MethodHead {
		c.set("x-oss-err", base64.StdEncoding.EncodeToString(c.answer.Body))
		c.answer.Header.Del("Content-Type")
		c.answer.Body = nil
	}
}
