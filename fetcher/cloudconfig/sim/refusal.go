package sim

import (
	"fmt"
	"net/http"
	"time"
)

// refusal is an error of the API.
type refusal struct {
	Status  int
	Code    string
	Message string
	Limit   string // a header about a limit that was exceeded, or empty
	Header  string // its name; default x-ratelimit-user
}

// Error implements error, for tests.
func (e *refusal) Error() string { return e.Code + ": " + e.Message }

// refuse returns a refusal with status 400, as most have.
func refuse(code, format string, args ...any) *refusal {
	return &refusal{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// missing returns the refusal for a missing parameter.
func missing(parameter string) *refusal {
	return refuse("Missing"+parameter, "%s is mandatory for this action.", parameter)
}

// invalid returns the refusal for an invalid parameter.
func invalid(parameter string) *refusal {
	return refuse("Invalid."+parameter+".Value", "The specified %s is invalid.", parameter)
}

// throttled returns the refusal for a call over the rate limit.
func throttled(perSecond float64, wait time.Duration) *refusal {
	e := refuse("Throttling.User", "Request was denied due to user flow control.")
	e.Limit = fmt.Sprintf("Limit:%d,Remain:0,TimeLeft:%d,Reset:%d",
		max(1, int(perSecond)), max(1, wait.Milliseconds()), time.Now().Add(wait).Unix())
	return e
}

// overQuota returns the refusal for a call over the quota of its name.
func overQuota(q Quota, wait time.Duration) *refusal {
	e := throttled(float64(q.Calls), wait)
	e.Code, e.Header = "Throttling.Api", "x-ratelimit-user-api"
	return e
}

// apiStatus has the HTTP status of codes whose status is not 400.
var apiStatus = map[string]int{
	"AccountNotExisted":           http.StatusNotFound,
	"EntityNotExist.Role":         http.StatusNotFound,
	"Forbidden":                   http.StatusForbidden,
	"Forbidden.RAM":               http.StatusForbidden,
	"InternalError":               http.StatusInternalServerError,
	"InvalidAccessKeyId.NotFound": http.StatusNotFound,
	"InvalidAction.NotFound":      http.StatusNotFound,
	"InvalidApi.NotFound":         http.StatusNotFound,
	"NoPermission":                http.StatusForbidden,
	"ServiceUnavailable":          http.StatusServiceUnavailable,
}

// refusal returns the failure as an error of the API.
func (f Failure) refusal() *refusal {
	e := refuse(f.Code, "Scripted failure: %s.", f.Code)
	if f.Code == "Throttling.User" {
		e = throttled(1, 200*time.Millisecond)
	}
	if s := apiStatus[f.Code]; s != 0 {
		e.Status = s
	}
	if f.Status != 0 {
		e.Status = f.Status
	}
	return e
}

// worded returns the failure as an error with that message.
func (f Failure) worded(message string) *refusal {
	e := f.refusal()
	e.Message = message
	return e
}
