package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

type clockCmd struct {
	Show    clockShowCmd    `cmd:"" help:"Print the front end's time, and how far it is ahead."`
	Advance clockAdvanceCmd `cmd:"" help:"Move it forward; what is due by then happens."`
	Reset   clockResetCmd   `cmd:"" help:"Return to the real time."`
}

type clockShowCmd struct{ remote }

// Run prints the time.
func (c *clockShowCmd) Run(ctx context.Context, s streams) error {
	return c.clock(ctx, s, http.MethodGet, "/clock")
}

type clockAdvanceCmd struct {
	By time.Duration `arg:"" name:"duration" help:"How far, for example 720h."`
	remote
}

// Run moves the clock and prints the new time.
func (c *clockAdvanceCmd) Run(ctx context.Context, s streams) error {
	return c.clock(ctx, s, http.MethodPost, "/clock/advance?by="+url.QueryEscape(c.By.String()))
}

type clockResetCmd struct{ remote }

// Run returns to the real time and prints it.
func (c *clockResetCmd) Run(ctx context.Context, s streams) error {
	return c.clock(ctx, s, http.MethodPost, "/clock/reset")
}

func (r *remote) clock(ctx context.Context, s streams, method, path string) error {
	var reading clockReading
	if err := r.call(ctx, method, path, nil, &reading); err != nil {
		return err
	}
	if r.JSON {
		return json.NewEncoder(s.Out).Encode(reading)
	}
	_, err := fmt.Fprintf(s.Out, "%s (%s ahead)\n", reading.Now.Format(time.RFC3339), reading.Offset)
	return err
}
