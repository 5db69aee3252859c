// Sends through go-fcm, the library through which gorush speaks to FCM, as gorush does: up to 500 messages a call,
// which the library spreads over its goroutines. It speaks the channel of a forked Node process: a line of JSON a
// message.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"firebase.google.com/go/v4/messaging"
	"github.com/appleboy/go-fcm"
)

const each = 500

// Calls under way at once: gorush has a worker a core.
const calls = 2

type request struct {
	Type  string `json:"type"`
	Sink  struct{ URL string }
	Title string `json:"title"`
	Body  string `json:"body"`
	From  int    `json:"from"`
	Count int    `json:"count"`
}

type reply struct {
	Type     string  `json:"type"`
	Accepted int     `json:"accepted"`
	Other    int     `json:"other"`
	P50Ms    float64 `json:"p50Ms"`
	P99Ms    float64 `json:"p99Ms"`
}

var client *fcm.Client
var notification messaging.Notification
var batches [][]*messaging.Message

func main() {
	fd, err := strconv.Atoi(os.Getenv("NODE_CHANNEL_FD"))
	check(err)
	channel := os.NewFile(uintptr(fd), "channel")
	lines := bufio.NewReader(channel)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		check(json.Unmarshal(line, &asked))
		switch asked.Type {
		case "prepare":
			client = newClient(asked.Sink.URL)
			notification = messaging.Notification{Title: asked.Title, Body: asked.Body}
			answer(channel, reply{Type: "ready"})
		case "make":
			batches = makeBatches(asked.From, asked.Count)
			answer(channel, reply{Type: "made"})
		case "send":
			answer(channel, send())
		}
	}
}

func answer(channel *os.File, message reply) {
	line, err := json.Marshal(message)
	check(err)
	_, err = channel.Write(append(line, '\n'))
	check(err)
}

func newClient(url string) *fcm.Client {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	bytes, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	account, err := json.Marshal(map[string]string{
		"type":         "service_account",
		"project_id":   "bench",
		"client_email": "bench@bench.iam.gserviceaccount.com",
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes})),
		"token_uri":    url + "/token",
	})
	check(err)
	client, err := fcm.NewClient(context.Background(),
		fcm.WithCredentialsJSON(account), fcm.WithProjectID("bench"), fcm.WithEndpoint(url+"/v1"))
	check(err)
	return client
}

func makeBatches(from, count int) [][]*messaging.Message {
	var made [][]*messaging.Message
	for start := from; start < from+count; start += each {
		batch := make([]*messaging.Message, 0, each)
		for number := start; number < min(start+each, from+count); number++ {
			batch = append(batch, &messaging.Message{Token: token(number), Notification: &notification})
		}
		made = append(made, batch)
	}
	return made
}

func send() reply {
	waiting := make(chan []*messaging.Message)
	result := reply{Type: "sent"}
	var times []float64
	var lock sync.Mutex
	var running sync.WaitGroup
	for range calls {
		running.Go(func() {
			for batch := range waiting {
				started := time.Now()
				sent, err := client.Send(context.Background(), batch...)
				check(err)
				ms := float64(time.Since(started).Microseconds()) / 1000
				lock.Lock()
				result.Accepted += sent.SuccessCount
				result.Other += sent.FailureCount
				for range batch {
					times = append(times, ms)
				}
				lock.Unlock()
			}
		})
	}
	for _, batch := range batches {
		waiting <- batch
	}
	close(waiting)
	running.Wait()
	sort.Float64s(times)
	result.P50Ms, result.P99Ms = times[len(times)/2], times[len(times)*99/100]
	return result
}

// As those of targets.ts.
func token(number int) string {
	digits := strconv.Itoa(number)
	return "dHIoDxE7Hdg:APA91b" + strings.Repeat("x", 134-len(digits)) + digits
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "go-fcm:", err)
		os.Exit(1)
	}
}
