# SPDX-License-Identifier: MIT OR Apache-2.0
# What a stand-in for the emulator begins with: finds the files of both serial lines among its arguments.
for word in "$@"; do
    case $word in
        file,id=console,path=*) console=${word#file,id=console,path=} ;;
        file,id=results,path=*) results=${word#file,id=results,path=} ;;
    esac
done
