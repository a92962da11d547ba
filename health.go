package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

type healthCommand struct {
	URL string `help:"What to ask." name:"url" default:"http://localhost:10058/-/healthy"`
}

// Run is `health`, for images that have no other program to ask with. Whoever answers is alive: that it wants a password,
// or TLS, is no illness.
func (h *healthCommand) Run(ctx context.Context) error {
	const enough = 4 * time.Second
	ctx, cancel := context.WithTimeout(ctx, enough)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, maxHeaderBytes))
	if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s answers %s", h.URL, response.Status)
	}
	return nil
}
