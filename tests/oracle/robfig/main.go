// Reads lines "count<TAB>after<TAB>zone<TAB>expression" and answers each with one line: the next ticks that CronJob's
// parser names, in seconds since 1970, or "error" and why.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		fmt.Fprintln(out, answer(strings.SplitN(lines.Text(), "\t", 4)))
	}
}

func answer(asked []string) string {
	count, _ := strconv.Atoi(asked[0])
	after, _ := strconv.ParseInt(asked[1], 10, 64)
	zone, err := time.LoadLocation(asked[2])
	if err != nil {
		return "error " + err.Error()
	}
	schedule, err := cron.ParseStandard(asked[3])
	if err != nil {
		return "error " + err.Error()
	}
	at, found := time.Unix(after, 0).In(zone), []string{}
	for len(found) < count {
		if at = schedule.Next(at); at.IsZero() {
			break
		}
		found = append(found, strconv.FormatInt(at.Unix(), 10))
	}
	return strings.Join(found, " ")
}
