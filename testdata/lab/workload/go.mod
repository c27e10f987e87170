// The lab's workload: the standard library only, so that it builds anywhere.
module quarterdeck.lab/workload

go 1.26.8
