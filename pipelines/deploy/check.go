package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"

	"hello-timber/pipelines/run"
	"hello-timber/stacks/config"
)

// errCheck is a version that was ready, and answered with errors.
var errCheck = errors.New("the check failed")

// client has a new connection for each request: one that is kept leads to one pod. It waits as
// long as the probes: next to a crowd of strangers, the service in app/ answers after eight seconds.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}, Timeout: 10 * time.Second}

// ask fails as Kubernetes' probes do, also if something answered.
func ask(url string) (answered bool, err error) {
	answer, err := client.Get(url) //nolint:noctx // the client has a timeout
	if err != nil {
		return false, err
	}
	if answer.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return true, errors.Join(err, answer.Body.Close())
}

// readCheck reads the stack's check, and says beforehand if there is none from here. The
// program refuses wrong values, and a path without a slash would be part of another host's
// name. A first deployment has no URL, and nothing to return to.
func (d *deployment) readCheck() {
	values, _, _ := config.Read(d.Read, d.stack.Name()) // the budget has been read from it
	if d.path = values["checkPath"]; !config.IsURLPath(d.path) || d.before.URL == "" {
		return
	}
	if answered, err := ask(d.before.URL + d.path); answered {
		d.seconds, _ = strconv.Atoi(values["checkSeconds"])
	} else {
		d.note("checkPath is not checked, because there is no answer here: %v. Fix: deploy from one of allowedNetworks, or pulumi config rm checkPath --stack %s", err, d.stack.Name())
	}
}

// check fails if more than one percent of ten requests a second do. A tag has the next run
// know what ran before, whatever becomes of this one.
func (d *deployment) check(ctx context.Context, outputs auto.OutputMap) error {
	image, _ := outputs["image"].Value.(string)
	url, _ := outputs["url"].Value.(string)
	if d.seconds > 0 && url != d.before.URL {
		d.note("checkPath is not checked, because the URL was %s before, and DNS may not lead to %s yet", d.before.URL, url)
		return nil
	}
	sent, failed, last := 0, 0, error(nil)
	for end := time.Now().Add(time.Duration(d.seconds) * time.Second); sent < 10*d.seconds && failed*10 <= d.seconds && time.Now().Before(end); sent++ {
		if _, err := ask(url + d.path); err != nil {
			failed, last = failed+1, err
		}
		if err := d.Pause(ctx, time.Second/10); err != nil {
			return err
		}
	}
	if failed*100 <= sent {
		return nil
	}
	err := fmt.Errorf("%w: %d of %d requests to %s failed, the last one with: %w", errCheck, failed, sent, url+d.path, last)
	if _, digest, _ := strings.Cut(image, "@"); image != d.before.Image {
		err = errors.Join(err, d.stack.SetTag(ctx, run.FailedCheck, digest+" "+cmp.Or(d.before.Image, "none")))
	}
	return err
}
