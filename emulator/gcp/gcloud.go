package gcp

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"hello-timber/emulator/credentials"
	"hello-timber/emulator/home"
	"hello-timber/emulator/records"
)

// command is one of gcloud's.
type command struct {
	// usage is its name, then its arguments: those in capitals that are not in brackets
	// must be given.
	usage string
	run   func(*call) error
}

// call is a command with its arguments. Like the real gcloud it reports progress on
// errOut and prints results on out.
type call struct {
	records                 records.Book
	name, project, location string
	out, errOut             io.Writer
}

func (c *call) print(value any) error { return json.NewEncoder(c.out).Encode(value) }

// commands are those that concern no type of resource.
var commands = []command{
	{"projects describe PROJECT --format=json", func(c *call) error { // every project exists
		return c.print(map[string]string{"projectId": c.name, "lifecycleState": "ACTIVE"})
	}},
	{"version --format=json", func(c *call) error { return c.print(map[string]string{"Google Cloud SDK": "the emulator's"}) }},
	{"auth list --filter=status:ACTIVE --format=json", func(c *call) error {
		return c.print([]map[string]string{{"account": "user@localhost", "status": "ACTIVE"}})
	}},
	{"auth application-default login", func(*call) error { return credentials.Login() }},
	{"auth application-default revoke", func(*call) error { return credentials.Revoke() }},
	{"auth application-default print-access-token", func(c *call) error {
		token, err := credentials.Default()
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(c.out, token)
		return err
	}},
	{"auth configure-docker [HOSTS] [--quiet]", func(c *call) error {
		_, err := fmt.Fprintln(c.errOut, "Nothing to configure: the emulator's registry is on this machine and Docker reaches it as it is.")
		return err
	}},
}

// Gcloud is the gcloud command, as much of it as this project's users need.
func Gcloud(args []string, out, errOut io.Writer) error {
	dir, err := home.Dir()
	if err != nil {
		return err
	}
	return (&call{records: records.Book{Dir: filepath.Join(dir, "google")}, out: out, errOut: errOut}).run(args)
}

func (c *call) run(args []string) error {
	all := slices.Clone(commands)
	for _, t := range types {
		all = append(all, t.commands...)
	}
	slices.SortFunc(all, func(a, b command) int { return strings.Compare(a.usage, b.usage) })
	known := "the emulator's gcloud knows only"
	for _, command := range all {
		known += "\n  gcloud " + command.usage
	}
	for _, command := range all {
		words := strings.Fields(command.usage)
		// The name ends where the arguments begin.
		length := slices.IndexFunc(append(words, "-"), func(word string) bool { return word[0] < 'a' })
		if len(args) < length || !slices.Equal(args[:length], words[:length]) {
			continue
		}
		if err := c.parse(words[length:], args[length:]); err != nil {
			return fmt.Errorf("%w\n%s", err, known)
		}
		return command.run(c)
	}
	return fmt.Errorf("%s\nthe emulator has no gcloud %s", known, strings.Join(args, " "))
}

// parse reads a command's arguments, in any order.
func (c *call) parse(usage, args []string) error {
	flags := flag.NewFlagSet("gcloud", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	values, takesName := map[string]*string{}, false
	for _, word := range usage {
		values[word] = c.declare(flags, strings.Trim(word, "[]"))
		takesName = takesName || values[word] == &c.name
	}
	for rest := args; len(rest) > 0; {
		if err := flags.Parse(rest); err != nil {
			return err
		}
		if rest = flags.Args(); len(rest) > 0 {
			if !takesName || c.name != "" {
				return fmt.Errorf("unexpected argument %s", rest[0])
			}
			c.name, rest = rest[0], rest[1:]
		}
	}
	for word, value := range values {
		if value != nil && *value == "" && !strings.HasPrefix(word, "[") {
			return fmt.Errorf("%s is missing", word)
		}
	}
	return nil
}

// declare adds an argument of a usage to the flags and returns where its value goes.
func (c *call) declare(flags *flag.FlagSet, argument string) *string {
	name, value, _ := strings.Cut(strings.TrimPrefix(argument, "--"), "=")
	switch {
	case name == argument:
		return &c.name
	case name == "project":
		flags.StringVar(&c.project, name, os.Getenv("CLOUDSDK_CORE_PROJECT"), "")
		return &c.project
	case name == "location":
		for _, name := range []string{"location", "zone", "region"} {
			flags.StringVar(&c.location, name, "", "")
		}
		return &c.location
	case value == "":
		flags.Bool(name, false, "")
	default:
		flags.Func(name, "", func(given string) error {
			if given != value && value != strings.ToUpper(value) {
				return errors.New("must be " + value)
			}
			return nil
		})
	}
	return nil
}
