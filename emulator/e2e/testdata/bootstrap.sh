# Makes a small Debian with a newer Docker engine than the machine may have:
# bootstrap.sh FOLDER
set -eu
folder=$1
mount --make-rprivate /
mount -t proc proc /proc
command -v debootstrap > /dev/null || {
	apt-get install --yes --no-install-recommends debootstrap ||
		{ apt-get update && apt-get install --yes --no-install-recommends debootstrap; }
}
eval "$(apt-config shell proxy Acquire::http::Proxy)"
[ -z "${proxy:-}" ] || export http_proxy="$proxy"
rm -rf "$folder.new"
mkdir -p "$(dirname "$folder")"
# The script for sid, because an older debootstrap does not know the name forky.
debootstrap --variant=minbase --include=docker.io,iptables,iproute2,ca-certificates \
	forky "$folder.new" http://deb.debian.org/debian sid
rm -rf "$folder.new"/var/cache/apt/archives/*.deb "$folder.new"/var/lib/apt/lists/*
mv "$folder.new" "$folder"
