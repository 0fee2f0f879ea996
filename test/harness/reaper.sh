#!/bin/sh
# Usage: reaper.sh FOLDER, with a pipe as standard input. At the end of the pipe everything that FOLDER's daemons left is removed.
folder=$1
name=${folder##*/}
[ -n "$name" ] && [ -d "$folder" ] || exit 2
# A parent that was killed took the other end of standard error with it.
trap '' PIPE INT TERM HUP

while read -r _; do :; done

# Daemons and their shims carry the folder's name in their environment. Containers do not, but their root lies in the folder, and
# so does /run of every process in a daemon's mount namespace. Any other mount in the folder says nothing: the whole machine sees it.
processes() {
  {
    grep -lszx "STEVEDORE_TEST_FOLDER=$name" /proc/[0-9]*/environ
    grep -lsE "/$name/run /run | / / .* - overlay .*/$name/|/$name/[^ ]* / " /proc/[0-9]*/mountinfo
  } | cut -d / -f 3 | sort -u
}

attempts=0
while pids=$(processes) && [ -n "$pids" ] && [ "$attempts" -lt 100 ]; do
  for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
  attempts=$((attempts + 1))
  sleep 0.05
done

# Deepest first. Nothing of ours is mounted outside private namespaces, unless a test did it.
grep -F "$folder/" /proc/self/mountinfo | cut -d ' ' -f 5 | sort -r | while read -r mount; do umount -l "$mount"; done

find /sys/fs/cgroup -maxdepth 3 -type d -name "$name" 2>/dev/null | while read -r group; do
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
done

rm -rf --one-file-system "$folder"
