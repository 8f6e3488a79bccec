//go:build linux

package progress

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hello-timber/emulator/setup/checkout"
	"hello-timber/emulator/setup/checkout/checkouttest"
)

// The first step that fails ends the others, and its error has what its command printed.
func TestFailedStep(t *testing.T) {
	c := checkouttest.New(t)
	command := func(name string, args ...string) Do {
		return func(ctx context.Context, c checkout.Checkout, p *Report) error {
			return p.Run(c.Command(ctx, "", name, args...), nil)
		}
	}
	err := Run(t.Context(), c, Step{Name: "slow", Run: command("sleep", "60")},
		Step{Name: "never", Needs: []string{"broken"}, Run: func(context.Context, checkout.Checkout, *Report) error {
			t.Error("ran after what it needs failed")
			return nil
		}}, Step{Name: "broken", Run: command("sh", "-c", "echo first; printf 'what went wrong' >&2; exit 3")})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"broken: sh: exit status 3", "    first\n    what went wrong\n", c.Home("logs", "broken.log")} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

// sleeps is a step that says something and takes a while.
func sleeps(says string, takes time.Duration) Do {
	return func(_ context.Context, _ checkout.Checkout, p *Report) error {
		p.Say(says)
		time.Sleep(takes)
		return nil
	}
}

// printed is what steps print, with a fake clock. Nothing is silent for ten seconds.
func printed(t *testing.T, steps ...Step) string {
	t.Helper()
	c := checkouttest.New(t)
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		latest := began
		v := &view{began: began, out: writer(func(text []byte) (int, error) {
			if silent := time.Since(latest); silent >= 10*time.Second {
				t.Errorf("nothing was printed for %s before %q", silent, text)
			}
			latest = time.Now()
			return out.Write(text)
		})}
		if err := run(t.Context(), c, v, steps); err != nil {
			t.Error(err)
		}
	})
	return out.String()
}

type writer func([]byte) (int, error)

func (w writer) Write(text []byte) (int, error) { return w(text) }

func TestLines(t *testing.T) {
	got := printed(t, Step{Name: "kubernetes", Run: func(_ context.Context, _ checkout.Checkout, p *Report) error {
		for done := int64(0); done <= 20; done++ {
			p.Downloaded(done<<20, 20<<20)
			time.Sleep(990 * time.Millisecond) // never at the time of a line
		}
		p.Say("unpacking")
		return nil
	}}, Step{Name: "debian", Run: sleeps("50%\r\x1b[2Jé "+strings.Repeat("long ", 20), 20300*time.Millisecond)},
		Step{Name: "node", Needs: []string{"kubernetes", "debian"}, Run: sleeps("building", 900*time.Millisecond)})
	if want := `kubernetes     downloaded 40 % of 20 MB                                      8s
debian         50%  [2Jé long long long long long long long long long long … 8s
all            0 of 3 steps done                                             8s
kubernetes     downloaded 80 % of 20 MB                                      16s
all            0 of 3 steps done                                             16s
debian         done                                                          20s
kubernetes     done                                                          21s
all            3 of 3 steps done                                             22s
`; got != want {
		t.Errorf("printed\n%swant\n%s", got, want)
	}
	got = printed(t, Step{Name: "docker", Run: sleeps("asking", 17*time.Second)})
	if want := "docker         asking                                                        8s\ndocker         asking                                                        16s\n" +
		"docker         done                                                          17s\n"; got != want {
		t.Errorf("a command's only step printed\n%swant\n%s", got, want)
	}
}

// The time left is that of the figures at this machine's speed, here half of theirs. Of the
// second program less than a third is not compiled yet, which no one knows before. While the
// third one is compiled, the machine is busy with something else, which no one knew, either.
func TestTimeLeft(t *testing.T) {
	compiles := func(packages int, each time.Duration) Do {
		return func(_ context.Context, _ checkout.Checkout, p *Report) error {
			for i := range packages {
				p.Count(i+1, 100)
				time.Sleep(each - time.Microsecond) // never at the time of a line
			}
			return nil
		}
	}
	got := printed(t, Step{Name: "first", Work: 20 * time.Second, Run: compiles(100, 400*time.Millisecond)},
		Step{Name: "second", Work: 40 * time.Second, Needs: []string{"first"}, Run: compiles(30, 800*time.Millisecond)},
		Step{Name: "third", Work: 40 * time.Second, Needs: []string{"second"}, Run: compiles(100, 2400*time.Millisecond)})
	for _, want := range []string{"8s, about 3m0s", "40s, about 2m40s", "56s, about 2m20s", "1m4s, about 1m18s", "1m28s, about 1m18s", "1m36s, about 1m40s", "3m4s, about 1m33s", "4m56s, about 7s"} {
		if !strings.Contains(got, " "+want+" left to compile\n") {
			t.Errorf("%s left is not in\n%s", want, got)
		}
	}
}
