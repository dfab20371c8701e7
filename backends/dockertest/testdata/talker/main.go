// The talker does in a container what a test tells it to, word by word:
//
//	out:TEXT, err:TEXT     a line to a stream
//	long:N                 a line of N bytes to standard output
//	lines:N                N lines to standard output, numbered from 1
//	serve:ADDRESS          answers HTTP there with the text "here"
//	get:URL                fetches it and writes the answer as a line
//	absent:URL             the same for what should not be there: after a second it writes "absent"
//	spin                   uses a processor from now on
//	exit:CODE              ends
//	wait                   until SIGTERM, which it says
//	ignore                 SIGTERM is not heard from now on
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	for _, word := range os.Args[1:] {
		verb, what, _ := strings.Cut(word, ":")
		n, _ := strconv.Atoi(what)
		switch verb {
		case "out":
			fmt.Println(what)
		case "err":
			fmt.Fprintln(os.Stderr, what)
		case "long":
			os.Stdout.WriteString(strings.Repeat("0123456789", n/10+1)[:n] + "\n")
		case "lines":
			for i := range n {
				fmt.Println("line", i+1)
			}
		case "serve":
			go http.ListenAndServe(what, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "here") }))
		case "get":
			fmt.Println(get(what, 10*time.Second, ""))
		case "absent":
			fmt.Println(get(what, time.Second, "absent"))
		case "spin":
			go func() {
				for i := 0; ; i++ {
					_ = i
				}
			}()
		case "exit":
			os.Exit(n)
		case "ignore":
			signal.Ignore(syscall.SIGTERM)
		case "wait":
			<-term
			fmt.Println("terminated")
		}
	}
}

// get is what is at a URL, or else failed, or why where that is "".
func get(url string, within time.Duration, failed string) string {
	resp, err := (&http.Client{Timeout: within}).Get(url)
	if err != nil && failed != "" {
		return failed
	}
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
