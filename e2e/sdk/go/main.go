// Follows a channel by the official Go client, and says on stdout, one JSON object a line, what it sees.
//
// Arguments: the WebSocket address, json or protobuf, a connection token, a channel. The publication {"end": true} makes
// it read the channel's history and end.
package main

import (
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

var output = json.NewEncoder(os.Stdout)

func say(event map[string]any) {
	if err := output.Encode(event); err != nil {
		log.Fatal(err)
	}
}

func main() {
	url, encoding, token, channel := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	config := centrifuge.Config{
		Token:             token,
		MinReconnectDelay: 10 * time.Millisecond,
		MaxReconnectDelay: 50 * time.Millisecond,
	}
	client := centrifuge.NewJsonClient(url, config)
	if encoding == "protobuf" {
		client = centrifuge.NewProtobufClient(url, config)
	}
	subscription, err := client.NewSubscription(channel, centrifuge.SubscriptionConfig{
		Delta: centrifuge.DeltaTypeFossil,
	})
	if err != nil {
		log.Fatal(err)
	}
	end := make(chan struct{})
	subscription.OnSubscribed(func(event centrifuge.SubscribedEvent) {
		say(map[string]any{"event": "subscribed", "recovered": event.Recovered})
	})
	subscription.OnPublication(func(event centrifuge.PublicationEvent) {
		say(map[string]any{"event": "publication", "data": json.RawMessage(event.Data), "offset": event.Offset})
		var data struct{ End bool }
		if json.Unmarshal(event.Data, &data) == nil && data.End {
			close(end)
		}
	})
	if err := client.Connect(); err != nil {
		log.Fatal(err)
	}
	if err := subscription.Subscribe(); err != nil {
		log.Fatal(err)
	}
	<-end
	history, err := subscription.History(context.Background(), centrifuge.WithHistoryLimit(100))
	if err != nil {
		log.Fatal(err)
	}
	data := []json.RawMessage{}
	for _, publication := range history.Publications {
		data = append(data, publication.Data)
	}
	say(map[string]any{"event": "history", "offset": history.Offset, "data": data})
	client.Close()
}
