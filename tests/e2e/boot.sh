#!/bin/sh
# Runs in new mount, PID, cgroup, network, UTS and IPC namespaces, and becomes a real
# systemd of a small machine, which shares no file that it can change with this one.
#   boot.sh CHECKOUT
set -eu
checkout=$1
exec 9<"$checkout" # another file system may be mounted there

mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/machine /run/lock /run/user

private() { # what is read from, where it stands
    name=$(echo "$2" | tr / _)
    mkdir -p "/run/machine/$name/upper" "/run/machine/$name/work"
    mount -t overlay overlay "$2" -o \
        "lowerdir=$1,upperdir=/run/machine/$name/upper,workdir=/run/machine/$name/work"
}
for folder in /etc /usr /opt /var /home /root /srv; do
    [ ! -d "$folder" ] || [ -L "$folder" ] || private "$folder" "$folder"
done
private /proc/self/fd/9 "$checkout"
mount -t tmpfs -o mode=1777 tmpfs /tmp

# What is made in /dev, /dev/log above all, is made here only.
mkdir /run/machine/dev
mount -t tmpfs -o mode=755 tmpfs /run/machine/dev
# Not bound: ptmx leads to the pts beside the node itself.
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 ptmx:5:2; do
    name=${node%%:*} numbers=${node#*:}
    mknod -m 0666 "/run/machine/dev/$name" c "${numbers%:*}" "${numbers#*:}"
done
ln -s /proc/self/fd /run/machine/dev/fd
mkdir /run/machine/dev/pts /run/machine/dev/shm
mount --rbind /dev/pts /run/machine/dev/pts
mount --move /run/machine/dev /dev
mount -t tmpfs -o mode=1777 tmpfs /dev/shm

umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup

# A small machine: a journal, an ssh server, and nothing of what this one starts.
rm -rf /etc/systemd/system /var/log/journal /usr/lib/systemd/system/*.wants
rm -f /etc/fstab /etc/nologin /run/nologin /etc/ssh/sshd_config.d/*
mkdir -p /etc/systemd/system
ln -s /dev/null /etc/systemd/system/systemd-remount-fs.service
cat >/etc/systemd/system/machine.target <<'END'
[Unit]
Requires=basic.target
After=basic.target multi-user.target
Wants=multi-user.target ssh.service systemd-journald.service
END
ssh-keygen -A >/dev/null
printf 'machine\n' >/etc/hostname
hostname machine
printf '127.0.0.1 localhost machine\n' >/etc/hosts
useradd --create-home --shell /bin/bash alice
printf 'alice:alice-password\n' | chpasswd
mkdir -p /etc/sudoers.d
printf 'alice ALL=(ALL:ALL) ALL\nDefaults lecture=never\n' >/etc/sudoers.d/machine
chmod 0440 /etc/sudoers.d/machine

exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    container=machine /lib/systemd/systemd --system --unit=machine.target \
    --show-status=no --log-level=notice
