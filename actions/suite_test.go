package actions_test

import "testing"

// suite is what every action must keep, on every swarm. Each case makes services of its own, and removes them.
var suite = []struct {
	name string
	run  func(*testing.T, *platform)
}{
	{"scale converges", testScale},
	{"redeploy the same image", testRedeploySame},
	{"redeploy another image", testRedeployOther},
	{"rollback converges", testRollback},
	{"undo converges", testUndo},
	{"rotate converges", testRotate},
	{"scale to nothing and back", testToNothing},
	{"without waiting", testNoWait},
	{"no such tag", testNoSuchTag},
	{"a crash, and the update pauses", testCrashPauses},
	{"a crash, and the swarm rolls back", testCrashIsRolledBack},
	{"a crash, and the update goes on", testCrashGoesOn},
	{"a crash, and the run takes back", testTakeBack},
	{"a failing health check", testUnhealthy},
	{"no node", testNoNode},
	{"the host port is taken", testPortTaken},
	{"a rotation fails", testRotateFails},
	{"a conflict", testConflict},
	{"the version alone", testVersionAlone},
	{"overtaken", testOvertaken},
	{"taking back meets another change", testTakeBackMeetsAnother},
	{"read-only", testReadOnly},
	{"what is asked for", testConfirmation},
	{"scale while an update is under way", testScaleOfBusyService},
	{"scale meets an update", testScaleMeetsUpdate},
	{"global services and jobs", testModes},
	{"slips of the finger", testSlips},
	{"capacity", testCapacity},
	{"reservations that fit", testRightsize},
	{"credentials stay hidden", testMasked},
	{"undo leaves what others have changed", testUndoLeavesOthers},
	{"undo refuses what was changed again", testUndoRefuses},
	{"the history is ours", testHistory},
	{"rollback passes over what failed", testRollbackPassesOver},
	{"rollback of a stack", testRollbackStack},
	{"several processes", testTogether},
	{"a person's word", testAttest},
	{"a word that is refused", testAttestRefused},
	{"a stack is applied", testApply},
	{"a stack that is refused", testApplyRefused},
	{"a stack with what it needs", testApplyGiven},
	{"a stack that the engine fills in", testApplyFills},
	{"a stack is taken back", testApplyTakesBack},
	{"a stack is left half way", testApplyLeft},
}

func TestActionsDemo(t *testing.T) {
	t.Parallel()
	p := sharedDemo(t)
	for _, c := range suite {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, p)
		})
	}
}
