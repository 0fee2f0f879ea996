{{- define "stevedore.selectorLabels" -}}
app.kubernetes.io/name: stevedore
app.kubernetes.io/component: agent
{{- end }}

{{- /* What Helm adds to every object. */}}
{{- define "stevedore.helmLabels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "stevedore.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* kind, socket and imageFilesystem of the nodes' runtime, as YAML. */}}
{{- define "stevedore.runtime" -}}
{{- $known := dict
  "containerd" (dict "kind" "containerd" "socket" "/run/containerd/containerd.sock" "imageFilesystem" "/var/lib/containerd/stevedore")
  "docker" (dict "kind" "docker" "socket" "/run/docker.sock" "imageFilesystem" "/var/lib/docker/stevedore")
  "k3s" (dict "kind" "containerd" "socket" "/run/k3s/containerd/containerd.sock" "imageFilesystem" "/var/lib/rancher/k3s/agent/containerd/stevedore")
  "rke2" (dict "kind" "containerd" "socket" "/run/k3s/containerd/containerd.sock" "imageFilesystem" "/var/lib/rancher/rke2/agent/containerd/stevedore")
  "k0s" (dict "kind" "containerd" "socket" "/run/k0s/containerd.sock" "imageFilesystem" "/var/lib/k0s/containerd/stevedore")
  "microk8s" (dict "kind" "containerd" "socket" "/var/snap/microk8s/common/run/containerd.sock" "imageFilesystem" "/var/snap/microk8s/common/var/lib/containerd/stevedore")
  "cri-o" (dict "kind" "cri" "socket" "/run/crio/crio.sock" "imageFilesystem" "/var/lib/containers/storage/stevedore")
-}}
{{- $runtime := get $known .Values.distribution -}}
kind: {{ .Values.runtime.kind | default $runtime.kind }}
socket: {{ .Values.runtime.socket | default $runtime.socket }}
imageFilesystem: {{ .Values.runtime.imageFilesystem | default $runtime.imageFilesystem }}
{{- end }}

{{- define "stevedore.env" -}}
{{- $runtime := include "stevedore.runtime" . | fromYaml -}}
- name: STEVEDORE_NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: STEVEDORE_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: STEVEDORE_LISTEN
  value: "[::]:9746"
- name: STEVEDORE_STATE_DIR
  value: /var/lib/stevedore
- name: STEVEDORE_IMAGE_FILESYSTEM
  value: /image-filesystem
- name: STEVEDORE_OWN_IMAGE
  value: {{ include "stevedore.image" . }}
- name: STEVEDORE_RUNTIME
  value: {{ $runtime.kind }}
- name: STEVEDORE_ENDPOINT
  value: unix://{{ $runtime.socket }}
{{- if .Values.gate.enabled }}
- name: STEVEDORE_GATE_TAINT
  value: {{ .Values.gate.taint }}
{{- end }}
{{- with .Values.logLevel }}
- name: STEVEDORE_LOG_LEVEL
  value: {{ . }}
{{- end }}
{{- end }}

{{- /* What the agent's container and the clean-up have in common. */}}
{{- define "stevedore.container" -}}
image: {{ include "stevedore.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  {{- include "stevedore.env" . | nindent 2 }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  runAsUser: 0
  runAsGroup: 0
  privileged: false
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
  {{- if .Values.selinux.enabled }}
  seLinuxOptions:
    type: {{ .Values.selinux.type }}
  {{- end }}
volumeMounts:
  - name: runtime
    mountPath: {{ (include "stevedore.runtime" . | fromYaml).socket }}
  - name: state
    mountPath: /var/lib/stevedore
  - name: image-filesystem
    mountPath: /image-filesystem
    readOnly: true
  - name: credentials
    mountPath: /etc/stevedore/credentials
    readOnly: true
  - name: ca
    mountPath: /etc/stevedore/ca
    readOnly: true
  - name: token
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
{{- end }}
