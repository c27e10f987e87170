// Package plain makes untrusted text harmless: log lines, labels, names and
// errors of other programs. It is the only place that does.
//
// What flows in: any bytes. What flows out: valid UTF-8 without a control
// character, a control sequence, a bidirectional override or an invisible
// character, with at most [MaxMarks] combining marks on a character, so that a
// terminal shows it in the cells that [Width] counts and does nothing else.
// It imports no package of quarterdeck.
package plain
