package docker

import (
	"context"
	"fmt"
	"net/http"

	"github.com/moby/moby/client"
)

// Progress is how far a pull is.
type Progress struct {
	Layer  string // its short id; "" for what concerns the image
	Status string // "Downloading", "Extracting", …
	Done   int64  // bytes; 0 where it doesn't say
	Total  int64
}

// EnsureImage sees to it that the engine has an image: pull is "missing",
// "always" or "never". A pull takes as long as it takes, while the engine is
// there. progress may be nil; it is called from EnsureImage.
func (e *Engine) EnsureImage(ctx context.Context, image, pull string, progress func(Progress)) error {
	if pull != "always" {
		has, err := e.hasImage(ctx, image)
		if err != nil || has {
			return err
		}
		if pull == "never" {
			return &NotFoundError{e.host.Name, "image", image, `pull = "never" forbids to fetch it: pull it by hand (docker pull), or set pull = "missing"`}
		}
	}
	if err := e.pull(ctx, image, progress); err != nil {
		return err
	}
	has, err := e.hasImage(ctx, image)
	if err == nil && !has {
		return &EngineError{e.host.Name, fmt.Sprintf("pull image %q", image), Nonsense, "the pull has ended, and the image is not there"}
	}
	return err
}

func (e *Engine) hasImage(ctx context.Context, image string) (has bool, err error) {
	err = e.do(ctx, fmt.Sprintf("look for image %q", image), e.timeout, func(ctx context.Context, api *client.Client) error {
		got, err := api.ImageInspect(ctx, image)
		if r, ok := refusal(err); ok && r.Status == http.StatusNotFound {
			return nil
		}
		if err == nil && got.ID == "" {
			return &EngineError{Kind: Nonsense, Detail: "an image without its id"}
		}
		has = err == nil
		return err
	})
	return has, err
}

func (e *Engine) pull(ctx context.Context, image string, progress func(Progress)) error {
	doing := fmt.Sprintf("pull image %q", image)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var stream client.ImagePullResponse
	end, err := e.begin(ctx, func(ctx context.Context, api *client.Client) (err error) {
		stream, err = api.ImagePull(ctx, image, client.ImagePullOptions{})
		return err
	})
	if err != nil {
		return e.explain(ctx, doing, err)
	}
	defer end()
	watched := e.watching(ctx, cancel)
	defer watched()
	for m, err := range stream.JSONMessages(ctx) {
		if err != nil {
			return e.explain(ctx, doing, err)
		}
		if m.Error != nil {
			return e.explain(ctx, doing, &Refusal{Status: m.Error.Code, Message: m.Error.Message})
		}
		if progress == nil {
			continue
		}
		p := Progress{Layer: plain(m.ID), Status: plain(m.Status)}
		if m.Progress != nil {
			p.Done, p.Total = m.Progress.Current, m.Progress.Total
		}
		progress(p)
	}
	return nil
}
