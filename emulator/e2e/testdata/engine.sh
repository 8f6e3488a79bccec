# Runs a command next to a Docker engine of its own, in mount, process and network
# namespaces that this script already has:
# engine.sh USERLAND DATA CHECKOUT STORE SOCKETS COMMAND...
set -eu
userland=$1 data=$2 checkout=$3 store=$4 sockets=$5
shift 5
mount --make-rprivate /
mount -t proc proc /proc
# The registry is on 127.0.0.1.
chroot "$userland" ip link set lo up
# Pulumi's state, and a Google of its own.
for folder in state google; do
	mkdir -p "$checkout/.emulator/$folder"
	mount -t tmpfs tmpfs "$checkout/.emulator/$folder"
done

# The engine's folders, and those of the machine that its containers mount.
mount --rbind "$userland" "$userland"
for folder in run tmp; do mount -t tmpfs tmpfs "$userland/$folder"; done
mount -t proc proc "$userland/proc"
mount -t sysfs sysfs "$userland/sys"
mkdir -p "$data" "$userland/var/lib/docker"
for folder in /dev /sys/fs/cgroup /lib/modules "$checkout" "$sockets"; do
	[ -d "$folder" ] || continue
	mkdir -p "$userland$folder"
	mount --rbind "$folder" "$userland$folder"
done
mount --bind "$data" "$userland/var/lib/docker"

feature=false
[ "$store" = classic ] || feature=true
# Not chroot: a node's mounts are looked up from the root of the mount namespace.
unshare --mount setsid sh -euc '
	cd "$1"
	pivot_root . mnt
	umount -l /mnt
	exec dockerd --host "$2" --feature "containerd-snapshotter=$3" --cgroup-parent /hello-timber-engine
' sh "$userland" "unix://$sockets/docker.sock" "$feature" > "$data.log" 2>&1 &
engine=$!
second() { DOCKER_HOST="unix://$sockets/docker.sock" "$@"; }
until second docker version > /dev/null 2>&1; do
	kill -0 $engine || { tail -n 20 "$data.log"; exit 1; }
	sleep 0.2
done

# No registry is asked: the images come from the machine's own engine.
for image in "$(cat "$checkout/.emulator/node-image")" golang:1.26; do
	second docker image inspect "$image" > /dev/null 2>&1 || docker save "$image" | second docker load
done

status=0
second "$@" || status=$?
kill $engine
wait $engine || true
[ $status = 0 ] || tail -n 20 "$data.log"
exit $status
