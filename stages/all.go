package stages

// All are the checks, in the order of STAGES.md.
var All = []*Check{
	svcHealthcheck, zeroDowntimeUpdate, restartPolicy, managerQuorum, tlsExpiry, tlsAllRouters, secretsNotEnv, gitNoCredentials, imagePinned, noTouchDeploy,
	logsPerService, logAgentSupported, metricsPerService, targetsUp, dashboardPerService, criticalAlerts, alertFatigue, mttd, noShellNeeded, dashboardHabit,
	backupFresh, volumesCovered, restoreTest, rto, selfHeal, ciGreen, imageTraceable, oneKeyDeploy, drPlan, drDrill,
	autoscalePolicy, autoscalerAlive, capacityHeadroom, timeAtMax, cacheHit, slowQueries, costPerService, costAnomaly, newServiceTime, teamNotBottleneck,
}
