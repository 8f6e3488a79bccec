// Package orderedmap has a map in which nothing is.
package orderedmap

import "iter"

// Map is empty.
type Map[K comparable, V any] struct{}

// New returns nil, which is a map, too.
func New[K comparable, V any]() *Map[K, V] { return nil }

// Len is 0.
func Len[K comparable, V any](*Map[K, V]) int { return 0 }

// Delete finds nothing.
func (*Map[K, V]) Delete(K) (old V, found bool) { return old, false }

// FromOldest has nothing.
func (*Map[K, V]) FromOldest() iter.Seq2[K, V] { return func(func(K, V) bool) {} }

// Get finds nothing.
func (*Map[K, V]) Get(K) (value V, found bool) { return value, false }

// GetOrZero finds nothing.
func (*Map[K, V]) GetOrZero(K) (value V) { return value }

// KeysFromOldest has nothing.
func (*Map[K, V]) KeysFromOldest() iter.Seq[K] { return func(func(K) bool) {} }

// Set forgets the value.
func (*Map[K, V]) Set(K, V) (old V, found bool) { return old, false }
