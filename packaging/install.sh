#!/bin/sh
# `make install` and `make uninstall` of the whole; see docs/decisions/0013.
#   install.sh install|uninstall      what stands where comes in these variables:
#   PREFIX   the program, a folder of its own       SYSTEM   where systems look, /usr
#   DESTDIR  in front of all, to make a package     PYTHON WHEEL WHEELS LOCK PIP ROOT
set -eu
# Attack: with the umask of a group of users, the group could change what root runs.
umask 022

fail() { # what, what to do
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}

is_here() { [ -z "$DESTDIR" ]; }
has_systemd() { is_here && [ -d /run/systemd/system ]; }

# Such a name can stand in a unit and behind #! without quotes, and `rm -r` of it takes
# nothing else away.
check_prefix() {
    case $PREFIX in
        *[!A-Za-z0-9/._-]* | *..* | [!/]*) ;;
        /*/pushmfa*) [ "${#PREFIX}" -le 80 ] && name_is_ours && return ;;
    esac
    fail "PREFIX=$PREFIX is no folder of pushmfa's own" \
        "An absolute path whose last part begins with pushmfa: PREFIX=/opt/pushmfa"
}

name_is_ours() {
    folder=$DESTDIR$PREFIX
    [ ! -e "$folder" ] || [ -f "$folder/pyvenv.cfg" ]
}

# Attack: whoever may write a folder on the way puts a program of his own there.
check_owners() {
    [ "$(id -u)" = 0 ] && is_here || return 0
    for start in "$(dirname "$PREFIX")" "$SYSTEM" /etc "$python"; do
        path=$start
        while :; do
            if [ -e "$path" ] && [ -n "$(find "$path" -prune \( ! -user 0 \
                -o -perm /022 ! -type l \) -print)" ]; then
                fail "$path is not root's alone, and pushmfa would run code from below it" \
                    "Look who may write it: ls -ld $path; then chown root, chmod go-w"
            fi
            [ "$path" != / ] || break
            path=$(dirname "$path")
        done
    done
}

find_python() {
    # Not /usr/bin/python3, which is another version after an upgrade of the system.
    python=$("$PYTHON" -I -c 'import os, sys
assert sys.version_info >= (3, 11)
print(os.path.realpath(sys.executable))') ||
        fail "$PYTHON is not Python 3.11 or newer" "Name another: PYTHON=/usr/bin/python3"
}

build_program() { # into a new folder, which then takes the place of the old one
    new=$DESTDIR$PREFIX.new
    rm -rf "$new"
    mkdir -p "$(dirname "$new")"
    "$python" -I -m venv --without-pip "$new"
    # Files and hashes are known: nothing is fetched, nothing is built.
    set -- --isolated --disable-pip-version-check --python "$new/bin/python3" \
        install --quiet --no-index --no-compile --no-deps --root-user-action=ignore
    "$PIP" "$@" --require-hashes --find-links "$WHEELS" -r "$LOCK"
    "$PIP" "$@" "$WHEEL"
    # No other program: they would read the environment of whoever calls them.
    find "$new/bin" ! -name bin ! -name 'python*' -exec rm -f {} +
    write_launcher >"$new/bin/pushmfa"
    sed -i "s|$new|$PREFIX|" "$new/pyvenv.cfg"
    "$new/bin/python3" -I -m compileall -q -s "$new" -p "$PREFIX" "$new/lib"
    chmod -R u+w,a+rX,go-w "$new"
    chmod 0755 "$new/bin/pushmfa"
    [ "$(id -u)" != 0 ] || chown -R -h root:root "$new"
    rm -rf "$DESTDIR$PREFIX.old"
    [ ! -e "$DESTDIR$PREFIX" ] || mv "$DESTDIR$PREFIX" "$DESTDIR$PREFIX.old"
    mv "$new" "$DESTDIR$PREFIX"
    rm -rf "$DESTDIR$PREFIX.old"
}

write_launcher() {
    printf '#!%s/bin/python3 -I\n' "$PREFIX"
    cat <<'END'
# -I: no code from PYTHONPATH, the home or the current folder, whoever calls.
from pushmfa.cli.main import main

main()
END
}

put() { # mode, source or -, target
    mkdir -p "$(dirname "$DESTDIR$3")"
    sed "s|/opt/pushmfa/|$PREFIX/|" "$2" >"$DESTDIR$3.new"
    chmod "$1" "$DESTDIR$3.new"
    mv -f "$DESTDIR$3.new" "$DESTDIR$3"
}

put_sample() { # name
    target=/etc/pushmfa/$1
    if [ -e "$DESTDIR$target" ]; then
        echo "kept: $target"
    else
        put 0644 "$ROOT/packaging/samples/$1" "$target"
    fi
}

each_system_file() { # source in systemd/, target
    for unit in pushmfa.service pushmfa-pam.socket pushmfa-control.socket \
        pushmfa-relay.service; do
        "$1" "$ROOT/systemd/$unit" "$SYSTEM/lib/systemd/system/$unit"
    done
    "$1" "$ROOT/systemd/sysusers.conf" "$SYSTEM/lib/sysusers.d/pushmfa.conf"
    "$1" "$ROOT/systemd/tmpfiles.conf" "$SYSTEM/lib/tmpfiles.d/pushmfa.conf"
}

put_system_file() { put 0644 "$1" "$2"; }
remove() { rm -f "$DESTDIR$2"; }

MANUAL=$SYSTEM/share/man/man1/pushmfa.1

completions() { # what to do with each
    "$1" bash "$SYSTEM/share/bash-completion/completions/pushmfa"
    "$1" zsh "$SYSTEM/share/zsh/vendor-completions/_pushmfa"
    "$1" fish "$SYSTEM/share/fish/vendor_completions.d/pushmfa.fish"
}

put_completion() {
    script=$("$DESTDIR$PREFIX/bin/python3" -I "$DESTDIR$PREFIX/bin/pushmfa" completion "$1")
    printf '%s\n' "$script" | put 0644 - "$2"
}

put_manual() {
    page=$("$DESTDIR$PREFIX/bin/python3" -I -m pushmfa.cli.manual)
    printf '%s\n' "$page" | put 0644 - "$MANUAL"
}

wake_system() {
    is_here || return 0
    if ! command -v systemd-sysusers >/dev/null || ! command -v systemd-tmpfiles >/dev/null
    then
        echo "There is no systemd here: make the users pushmfa and pushmfa-relay yourself."
        return
    fi
    systemd-sysusers "$SYSTEM/lib/sysusers.d/pushmfa.conf"
    systemd-tmpfiles --create "$SYSTEM/lib/tmpfiles.d/pushmfa.conf"
    if has_systemd; then systemctl daemon-reload; fi
}

say_next() {
    version=$("$DESTDIR$PREFIX/bin/python3" -I -c \
        'from pushmfa.terms import VERSION; print(VERSION)')
    cat <<END

pushmfa $version is in $PREFIX. No login asks it yet.
Next, step by step in docs/quickstart.md:
  a relay     /etc/pushmfa/relay.toml, then: systemctl enable --now pushmfa-relay
  this host   /etc/pushmfa/pushmfa.toml, then: systemctl enable --now pushmfa
  a device    pushmfa enroll --user YOU
  the logins  docs/pam-recipes.md, with a second root shell open
After an update of services that run: systemctl restart pushmfa pushmfa-relay
END
}

install_all() {
    check_prefix
    find_python
    check_owners
    build_program
    each_system_file put_system_file
    mkdir -p "$DESTDIR$SYSTEM/bin"
    ln -sfn "$PREFIX/bin/pushmfa" "$DESTDIR$SYSTEM/bin/pushmfa"
    completions put_completion
    put_manual
    put_sample pushmfa.toml
    put_sample relay.toml
    wake_system
    say_next
}

# Attack on oneself: a stack that names a module which is gone lets nobody in.
check_unused() {
    is_here || return 0
    users=$(grep -ls '^[^#]*pam_pushmfa' /etc/pam.conf /etc/pam.d/* /usr/lib/pam.d/* |
        tr '\n' ' ') || true
    [ -z "$users" ] || fail "${users% } still asks pushmfa: without the module nobody gets in" \
        "Take its lines out first (docs/pam-recipes.md, Undo), and try a login"
}

uninstall_all() {
    check_prefix
    check_unused
    if has_systemd; then
        for unit in pushmfa-pam.socket pushmfa-control.socket pushmfa.service \
            pushmfa-relay.service; do
            [ ! -e "$SYSTEM/lib/systemd/system/$unit" ] || systemctl disable --now --quiet "$unit"
        done
    fi
    each_system_file remove
    completions remove
    rm -f "$DESTDIR$SYSTEM/bin/pushmfa" "$DESTDIR$MANUAL"
    rm -rf "$DESTDIR$PREFIX" "$DESTDIR$PREFIX.new" "$DESTDIR$PREFIX.old"
    if has_systemd; then systemctl daemon-reload; fi
    cat <<END
pushmfa is removed. What it knows stays: /etc/pushmfa, /var/lib/pushmfa (keys, devices,
audit), /var/lib/pushmfa-relay, and the users pushmfa and pushmfa-relay.
To forget it for ever: rm -r /etc/pushmfa /var/lib/pushmfa /var/lib/pushmfa-relay
END
}

case ${1-} in
    install) install_all ;;
    uninstall) uninstall_all ;;
    *) fail "install or uninstall?" "Use make install" ;;
esac
