package sim

import (
	"fmt"
	"net/http"
	"time"
)

// refusal is an error as the API answers it.
type refusal struct {
	Status  int
	Code    string
	Message string
	Limit   string // the x-ratelimit-user header, or empty
}

// Error is for the simulator's own log and tests: callers get an answer.
func (e *refusal) Error() string { return e.Code + ": " + e.Message }

// refuse makes a refusal with status 400, which most have.
func refuse(code, format string, args ...any) *refusal {
	return &refusal{Status: http.StatusBadRequest, Code: code, Message: fmt.Sprintf(format, args...)}
}

// missing refuses a call that lacks a parameter.
func missing(parameter string) *refusal {
	return refuse("Missing"+parameter, "%s is mandatory for this action.", parameter)
}

// invalid refuses a parameter's value.
func invalid(parameter string) *refusal {
	return refuse("Invalid."+parameter+".Value", "The specified %s is invalid.", parameter)
}

// throttled refuses a call that comes too soon.
func throttled(perSecond float64, wait time.Duration) *refusal {
	e := refuse("Throttling.User", "Request was denied due to user flow control.")
	e.Limit = fmt.Sprintf("Limit:%d,Remain:0,TimeLeft:%d,Reset:%d",
		max(1, int(perSecond)), max(1, wait.Milliseconds()), time.Now().Add(wait).Unix())
	return e
}

// apiStatus is the HTTP status of those codes that don't come with a 400.
var apiStatus = map[string]int{
	"AccountNotExisted":           http.StatusNotFound,
	"Forbidden":                   http.StatusForbidden,
	"Forbidden.RAM":               http.StatusForbidden,
	"InternalError":               http.StatusInternalServerError,
	"InvalidAccessKeyId.NotFound": http.StatusNotFound,
	"InvalidAction.NotFound":      http.StatusNotFound,
	"InvalidApi.NotFound":         http.StatusNotFound,
	"NoPermission":                http.StatusForbidden,
	"ServiceUnavailable":          http.StatusServiceUnavailable,
}

// refusal is the failure as the API words it.
func (f Failure) refusal() *refusal {
	e := refuse(f.Code, "The simulator was told to answer %s.", f.Code)
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
