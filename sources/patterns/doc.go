// Package patterns finds what many log lines have in common: "order 17 placed in 3ms" and "order 18 placed in 9ms"
// become "order <_> placed in <_>".
//
// It is an online miner after Drain (He et al., ICWS 2017, "Drain: An Online Log Parsing Approach with Fixed Depth
// Tree") with what structured lines need: in logfmt and JSON the keys are firm, the words of the message decide, the
// other values may vary; lines of different levels, statuses and exit codes never share a pattern.
//
// What flows in: [sources.Entry]. What flows out: [sources.Pattern], whose text LogQL's |> and [Match] understand.
// It imports sources and the standard library alone, so that ui, diagnosis and each source may use it.
package patterns
