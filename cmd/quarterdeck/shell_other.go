//go:build !unix

package main

func hasShell() bool { return false }
