// Asks the router of a real Traefik. In: a JSON array of questions. Out: an array of "true", "false" or "error: why".
package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"

	"github.com/traefik/traefik/v3/pkg/middlewares/requestdecorator"
	muxer "github.com/traefik/traefik/v3/pkg/muxer/http"
)

type question struct {
	Rule    string
	Host    string
	Path    string
	Query   string
	Method  string
	Headers map[string][]string
	From    string
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	parser, err := muxer.NewSyntaxParser()
	if err != nil {
		panic(err)
	}
	answers := make([]string, 0, len(questions))
	for _, asked := range questions {
		answers = append(answers, answer(parser, asked))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

func answer(parser muxer.SyntaxParser, asked question) string {
	routes := muxer.NewMuxer(parser, nil)
	matched := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusAccepted) })
	if err := routes.AddRoute(asked.Rule, "v3", 0, "", matched); err != nil {
		return "error: " + err.Error()
	}
	target, err := url.ParseRequestURI(asked.Path + asked.Query)
	if err != nil {
		panic(err)
	}
	headers := http.Header{}
	for name, values := range asked.Headers {
		for _, value := range values {
			headers.Add(name, value)
		}
	}
	request := &http.Request{
		Method: asked.Method, URL: target, Host: asked.Host, RequestURI: asked.Path + asked.Query,
		Header: headers, RemoteAddr: asked.From, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	recorder := httptest.NewRecorder()
	requestdecorator.New(nil).ServeHTTP(recorder, request, routes.ServeHTTP)
	if recorder.Code == http.StatusAccepted {
		return "true"
	}
	return "false"
}
