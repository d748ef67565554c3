"""More CronJobs, as charts and tutorials have them: what people run every night."""

from __future__ import annotations

from tests.support.cronjob_shapes import SHAPES, Shape

MORE_SHAPES = [
    Shape(
        "backup of a database",
        """
        schedule: "15 3 * * *"
        timeZone: Etc/UTC
        concurrencyPolicy: Forbid
        startingDeadlineSeconds: 600
        jobTemplate:
          spec:
            backoffLimit: 0
            activeDeadlineSeconds: 7200
            template:
              spec:
                restartPolicy: Never
                serviceAccountName: backup
                automountServiceAccountToken: false
                containers:
                  - name: dump
                    image: postgres:18
                    command: ["/bin/sh", "-ec"]
                    args: ["pg_dump -Fc shop >/backup/shop-$(date +%F).dump"]
                    envFrom: [{secretRef: {name: database}}]
                    volumeMounts: [{name: backup, mountPath: /backup}]
                volumes: [{name: backup, persistentVolumeClaim: {claimName: backup}}]
        """,
    ),
    Shape(
        "names of months and days, lists and steps",
        """
        schedule: "*/20 8-18/2 1,15 JAN-JUN,oct Mon-Fri"
        jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
        """,
    ),
    Shape(
        "a macro",
        """
        schedule: "@hourly"
        successfulJobsHistoryLimit: 1
        jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: a, image: a}]}}}}
        """,
    ),
    Shape(
        "an interval",
        """
        schedule: "@every 1h30m"
        jobTemplate: {spec: {template: {spec: {restartPolicy: OnFailure, containers: [{name: a, image: a}]}}}}
        """,
    ),
    Shape(
        "a step of days beside a weekday",
        """
        schedule: "0 0 */13 * 3"
        jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
        """,
    ),
    Shape(
        "cleaned up after itself",
        """
        schedule: "*/30 * * * *"
        jobTemplate:
          spec:
            ttlSecondsAfterFinished: 0
            template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}
        """,
    ),
    Shape(
        "several pods side by side",
        """
        schedule: "0 1 * * *"
        jobTemplate:
          spec:
            completions: 6
            parallelism: 3
            backoffLimit: 4
            template: {spec: {restartPolicy: OnFailure, containers: [{name: a, image: a}]}}
        """,
    ),
    Shape(
        "probes, lifecycle and ports",
        """
        schedule: "0 * * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: OnFailure
                containers:
                  - name: a
                    image: a
                    ports: [{name: metrics, containerPort: 9100, protocol: TCP}]
                    readinessProbe: {httpGet: {path: /, port: metrics}, periodSeconds: 5}
                    livenessProbe: {exec: {command: [cat, /tmp/alive]}}
                    startupProbe: {tcpSocket: {port: 9100}}
                    lifecycle: {preStop: {exec: {command: [sleep, "1"]}}}
                    terminationMessagePolicy: FallbackToLogsOnError
        """,
    ),
    Shape(
        "host network and names of its own",
        """
        schedule: "7 * * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                hostNetwork: true
                hostPID: true
                dnsPolicy: None
                dnsConfig: {nameservers: [192.0.2.1], searches: [shop.example], options: [{name: ndots, value: "2"}]}
                hostAliases: [{ip: 192.0.2.7, hostnames: [registry.example]}]
                containers: [{name: a, image: a}]
        """,
    ),
    Shape(
        "images from a registry",
        """
        schedule: "0 5 * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                imagePullSecrets: [{name: registry}, {name: mirror}]
                containers:
                  - {name: a, image: "registry.example/team/report@sha256:0000", imagePullPolicy: IfNotPresent}
        """,
    ),
    Shape(
        "priority and scheduler",
        """
        schedule: "0 5 * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                priorityClassName: system-cluster-critical
                schedulerName: default-scheduler
                enableServiceLinks: false
                containers: [{name: a, image: a}]
        """,
    ),
    Shape(
        "projected tokens and downward facts",
        """
        schedule: "*/10 * * * *"
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: Never
                containers:
                  - name: a
                    image: a
                    env:
                      - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
                      - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
                    volumeMounts: [{name: token, mountPath: /token, readOnly: true}]
                volumes:
                  - name: token
                    projected:
                      sources:
                        - {serviceAccountToken: {path: token, audience: vault, expirationSeconds: 3600}}
                        - {downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
        """,
    ),
    Shape(
        "a failure policy that counts nodes out",
        """
        schedule: "0 6 * * 1-5"
        jobTemplate:
          spec:
            backoffLimit: 3
            podReplacementPolicy: Failed
            podFailurePolicy:
              rules:
                - {action: FailJob, onExitCodes: {operator: NotIn, values: [0, 75]}}
                - {action: Ignore, onPodConditions: [{type: DisruptionTarget}]}
            template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}
        """,
    ),
    Shape(
        "a script in many lines",
        """
        schedule: "45 23 28-31 * *"
        jobTemplate:
          metadata: {annotations: {sidecar.istio.io/inject: "false"}}
          spec:
            template:
              spec:
                restartPolicy: Never
                containers:
                  - name: a
                    image: busybox:1.37
                    command: [sh, -c]
                    args:
                      - |
                        set -eu
                        # only on the last day of the month
                        [ "$(date -d tomorrow +%d)" = 01 ] || exit 0
                        echo "Grüße: $HOSTNAME"
        """,
    ),
    Shape(
        "suspended",
        """
        schedule: "0 4 * * *"
        suspend: true
        jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
        """,
    ),
    Shape(
        "topology, a memory volume and a grace period",
        """
        schedule: "0 2 * * 0"
        timeZone: America/New_York
        concurrencyPolicy: Replace
        jobTemplate:
          spec:
            template:
              spec:
                restartPolicy: OnFailure
                terminationGracePeriodSeconds: 0
                nodeSelector: {kubernetes.io/arch: arm64}
                tolerations: [{operator: Exists}]
                containers:
                  - {name: a, image: a, volumeMounts: [{name: shm, mountPath: /dev/shm}], tty: true, stdin: true}
                volumes: [{name: shm, emptyDir: {medium: Memory, sizeLimit: 64Mi}}]
        """,
    ),
]

ALL_SHAPES = [*SHAPES, *MORE_SHAPES]
"""Twenty-six."""
