// Package e2e tests the project from end to end, the way a person uses it: with make,
// pulumi, kubectl and HTTP requests, on clusters in Docker. rows_test.go has the table of
// all tests. `make test` runs its first part, `make e2e` the rest. Both set the
// environment, and use stacks named e2e…, so that your own stacks stay as they are.
//
// The tests have the build tag e2e, because they compile what nothing else needs.
package e2e
