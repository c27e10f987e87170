// Package frame turns one rendered frame, text with SGR sequences as a View
// gives it, into other formats: plain text, ANSI, SVG and PNG.
//
// What flows in: a frame's string and its size in cells. What flows out: the
// same picture, cell by cell, without a terminal. Braille, boxes, blocks and the
// console's signs are drawn as geometry, the same in SVG and PNG, so that they
// join from cell to cell whatever font the reader has; the rest is Go Mono in
// PNG and the reader's monospaced font in SVG.
// It imports ui/plain, and of the ui nothing else.
package frame
