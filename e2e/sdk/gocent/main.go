// Makes calls of the server API by the official Go client, and says on stdout what it understood of the answers.
//
// Arguments: the API's address, the key. On stdin comes one call a line: {"method": ..., "request": {...}}; a batch has a
// list of calls in place of the request, and goes out as one request. For each, one line goes out: {"result": {...}} or
// {"error": code}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/centrifugal/gocent/v3"
)

type call struct {
	Method  string          `json:"method"`
	Request json.RawMessage `json:"request"`
}

type request struct {
	Channel    string             `json:"channel"`
	Channels   []string           `json:"channels"`
	User       string             `json:"user"`
	Pattern    string             `json:"pattern"`
	Data       json.RawMessage    `json:"data"`
	Info       json.RawMessage    `json:"info"`
	Limit      int                `json:"limit"`
	Disconnect *gocent.Disconnect `json:"disconnect"`
}

func main() {
	client := gocent.New(gocent.Config{Addr: os.Args[1], Key: os.Args[2]})
	output := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var one call
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			log.Fatal(err)
		}
		result, err := run(client, one)
		answer := map[string]any{"result": result}
		var refused *gocent.Error
		if errors.As(err, &refused) {
			answer = map[string]any{"error": refused.Code}
		} else if err != nil {
			log.Fatal(err)
		}
		if err := output.Encode(answer); err != nil {
			log.Fatal(err)
		}
	}
}

func run(client *gocent.Client, one call) (any, error) {
	ctx := context.Background()
	if one.Method == "batch" {
		return runTogether(ctx, client, one.Request)
	}
	var r request
	if err := json.Unmarshal(one.Request, &r); err != nil {
		return nil, err
	}
	switch one.Method {
	case "publish":
		return client.Publish(ctx, r.Channel, r.Data)
	case "broadcast":
		return client.Broadcast(ctx, r.Channels, r.Data)
	case "history":
		return client.History(ctx, r.Channel, gocent.WithLimit(r.Limit))
	case "history_remove":
		return nil, client.HistoryRemove(ctx, r.Channel)
	case "subscribe":
		return nil, client.Subscribe(ctx, r.Channel, r.User, gocent.WithSubscribeData(r.Data), gocent.WithSubscribeInfo(r.Info))
	case "unsubscribe":
		return nil, client.Unsubscribe(ctx, r.Channel, r.User)
	case "presence":
		return client.Presence(ctx, r.Channel)
	case "presence_stats":
		return client.PresenceStats(ctx, r.Channel)
	case "channels":
		return client.Channels(ctx, gocent.WithPattern(r.Pattern))
	case "info":
		return client.Info(ctx)
	case "disconnect":
		return nil, client.Disconnect(ctx, r.User, gocent.WithDisconnect(r.Disconnect))
	}
	return nil, fmt.Errorf("the client has no method %s", one.Method)
}

// Publications and statistics in one request.
func runTogether(ctx context.Context, client *gocent.Client, list json.RawMessage) (any, error) {
	var calls []call
	if err := json.Unmarshal(list, &calls); err != nil {
		return nil, err
	}
	pipe := client.Pipe()
	for _, one := range calls {
		var r request
		err := json.Unmarshal(one.Request, &r)
		if err == nil && one.Method == "publish" {
			err = pipe.AddPublish(r.Channel, r.Data)
		} else if err == nil {
			err = pipe.AddPresenceStats(r.Channel)
		}
		if err != nil {
			return nil, err
		}
	}
	replies, err := client.SendPipe(ctx, pipe)
	if err != nil {
		return nil, err
	}
	results := make([]json.RawMessage, len(replies))
	for n, reply := range replies {
		if reply.Error != nil {
			return nil, reply.Error
		}
		results[n] = reply.Result
	}
	return map[string]any{"replies": results}, nil
}
