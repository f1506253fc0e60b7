#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Stands in for make: compiles the objects that are asked for, or of an image all, where they are older than their source or
# than the header `a.h` beside it; both warn of what stands behind `//`.
goals=
while [ $# -gt 0 ]; do
    case $1 in
        -C) source=$2; shift ;;
        O=*) output=${1#O=} ;;
        *.o) goals="$goals $1" ;;
        bzImage) image=arch/x86/boot/bzImage ;;
    esac
    shift
done
cd "$source" || exit 2
[ -z "$image" ] || goals=$(find . -name '*.c' | sed 's,^\./,,; s,c$,o,' | sort)
for object in $goals; do
    file=${object%o}c
    header=${object%/*}/a.h
    [ "$output/$object" -nt "$file" ] && [ "$output/$object" -nt "$header" ] && continue
    echo "  CC      $object"
    for from in "$file" "$header"; do
        sed -n "s,^// ,$source/$from:1:1: warning: ,p" "$from" >&2
    done
    mkdir -p "$output/${object%/*}"
    cp "$file" "$output/$object"
done
[ -z "$image" ] || { mkdir -p "$output/${image%/*}" && echo image > "$output/$image"; }
