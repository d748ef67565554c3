// kstatus reads one object as JSON and prints what Flux, and Helm from version 4 on, make of it when they wait:
// its status and the message, on one line.
package main

import (
	"fmt"
	"io"
	"os"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
)

func main() {
	text, err := io.ReadAll(os.Stdin)
	fail(err)
	object := &unstructured.Unstructured{}
	fail(object.UnmarshalJSON(text))
	found, err := status.Compute(object)
	fail(err)
	fmt.Println(found.Status, found.Message)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
