import TestSupport
import Testing

/// What stands already at the path of an output.
@Suite struct OutputPathTests {
    private static let links = [
        ScriptCase(
            "a link stays and its target gets the content",
            """
            echo old >$W/real; ln -s real $W/link; ln -s link $W/chain; ln -s $W/new $W/dangling
            for name in link chain dangling; do run --output $W/$name; readlink $W/$name | sed "s:$W/::"; done
            answers $W/real; answers $W/new; partial
            """, prints: "real\nlink\nnew\n1\n1\n0"),
        ScriptCase(
            "links that lead nowhere",
            """
            ln -s round $W/round; ln -s missing/file $W/lost
            for name in round lost; do run --output $W/$name; echo $?; failure; done
            """,
            prints: """
                1
                Error: cannot write round: Too many levels of symbolic links
                1
                Error: cannot write lost: No such file or directory
                """),
        ScriptCase(
            "mode and extended attributes stay",
            """
            echo old >$W/file; chmod 640 $W/file; python3 -c "import os; os.setxattr('$W/file','user.k',b'v')"
            run --output $W/file; stat -c %a $W/file; answers $W/file
            python3 -c "import os; print(os.listxattr('$W/file'))"
            """, prints: "640\n1\n['user.k']"),
        ScriptCase(
            "every name of a file gets the content",
            """
            echo old >$W/one; ln $W/one $W/two; run --core /nonexistent --output $W/one; cat $W/two
            run --output $W/one; answers $W/two; partial
            """, prints: "old\n1\n0"),
        ScriptCase(
            "a name that leaves no room for another",
            """
            n=$(printf 'x%.0s' $(seq 255)); run --output $W/$n; answers $W/$n
            n=$(printf 'ä%.0s' $(seq 127)); run --output $W/$n; answers $W/$n; run --output $W/xx$n; echo $?
            """, prints: "1\n1\n1"),
        ScriptCase(
            "the input's file, when the answers are complete",
            "cp $W/in $W/same; run --input $W/same --output $W/same; answers $W/same", prints: "1"),
        ScriptCase(
            "the input's file, into which the answers would go at once",
            """
            cp $W/in $W/same; run --input $W/same >>$W/same; echo $?; wc -l <$W/same
            run --input $W/same --output /dev/fd/3 3>>$W/same; echo $?; failure
            """,
            prints: """
                1
                1
                1
                Error: /dev/fd/3 is the input too, and its lines would be lost or without end; name another file
                """),
        ScriptCase(
            "the trainer's files",
            """
            ln -s elsewhere $W/link; $T convert --data-set boolq /dev/stdin --output $W/link 2>$W/err <<E
            {"question":"is it","passage":"it is","idx":0,"label":true}
            E
            readlink $W/link; grep -c passage $W/elsewhere
            """, prints: "elsewhere\n1"),
    ]

    private static let streams = [
        ScriptCase(
            "a descriptor goes on where it is, and its link stays",
            """
            mkdir $W/dev; ln -s /proc/self/fd/1 $W/dev/stdout; echo head >$W/file
            run --output $W/dev/stdout >>$W/file; readlink $W/dev/stdout; wc -l <$W/file
            run --output /dev/fd/3 3>$W/three; answers $W/three
            run --output /proc/self/fd/3 3>$W/three; answers $W/three
            run --output >(cat >$W/piped; echo >$W/done); until [ -e $W/done ]; do sleep 0.01; done; answers $W/piped
            """, prints: "/proc/self/fd/1\n2\n1\n1\n1"),
        ScriptCase(
            "a descriptor that cannot be written",
            "run --output /dev/fd/3 3<$W/in; echo $?; failure; run --output /dev/fd/9; echo $?",
            prints: "1\nError: /dev/fd/3 is not open for writing\n1"),
        ScriptCase(
            "a named pipe stays",
            """
            mkfifo $W/pipe; cat $W/pipe >$W/got & run --output $W/pipe; wait; answers $W/got; stat -c %F $W/pipe
            """, prints: "1\nfifo"),
        ScriptCase(
            "devices",
            """
            run --output /dev/null; echo $?; run --output /dev/full; echo $?; failure
            stat -c %F /dev/null /dev/full
            """,
            prints: """
                0
                1
                Error: cannot write /dev/full: No space left on device
                character special file
                character special file
                """),
        ScriptCase(
            "what nothing can be written to",
            """
            mkdir $W/folder; ln -s folder $W/link
            python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('$W/socket')"
            for name in folder folder/ link socket; do run --output $W/$name; echo $?; failure; done
            """,
            prints: """
                1
                Error: folder is a directory; a file to write was expected
                1
                Error: folder/ names a directory; a file to write was expected
                1
                Error: link is a directory; a file to write was expected
                1
                Error: socket is a socket; a file to write was expected
                """),
        ScriptCase(
            "a limit of file sizes",
            """
            for k in $(seq 200); do cat $W/in; done >$W/many
            (ulimit -f 4; run --input $W/many --output $W/out); echo $?; failure; ls $W | grep -c out; partial
            """, prints: "1\nError: cannot write out: File too large\n0\n0"),
    ]

    @Test("what stands at an output's path is respected", arguments: links + streams)
    func respected(_ test: ScriptCase) throws { try test.check() }

    private static let owners = [
        ScriptCase(
            "owner and group stay",
            """
            echo old >$W/file; chown 65534:65534 $W/file; chmod 620 $W/file; run --output $W/file
            stat -c '%a %u %g' $W/file; answers $W/file
            """, prints: "620 65534 65534\n1"),
        ScriptCase(
            "a file of another's in a folder of ours",
            """
            mkdir $W/own; chown 65534 $W/own; echo old >$W/own/file; chmod 666 $W/own/file; ls -i $W/own/file >$W/before
            otherRun --core /nonexistent --output $W/own/file; cat $W/own/file; otherRun --output $W/own/file; echo $?
            stat -c '%a %u' $W/own/file; answers $W/own/file; ls -i $W/own/file | cmp - $W/before; ls -A $W/own
            """, prints: "old\n0\n666 0\n1\nfile"),
        ScriptCase(
            "a file of ours in a folder that takes no other",
            """
            mkdir $W/closed; echo old >$W/closed/file; for k in $(seq 99); do echo old; done >>$W/closed/file
            chown 65534 $W/closed/file; chmod 600 $W/closed/file
            otherRun --core /nonexistent --output $W/closed/file; grep -c old $W/closed/file
            otherRun --output $W/closed/file; answers $W/closed/file; grep -c old $W/closed/file; ls -A $W/closed
            otherRun --output $W/closed/new; echo $?; failure
            """,
            prints: "100\n1\n0\nfile\n1\nError: cannot write closed/new: Permission denied"),
        ScriptCase(
            "a file that may not be written",
            """
            mkdir $W/own; echo old >$W/own/file; chmod 444 $W/own/file; chown -R 65534 $W/own
            otherRun --output $W/own/file; echo $?; failure; cat $W/own/file
            """, prints: "1\nError: cannot write own/file: Permission denied\nold"),
        ScriptCase(
            "a link of another's where everybody may put one",
            """
            mkdir $W/open; chmod 777 $W/open; echo precious >$W/victim; other ln -s ../victim $W/open/out
            run --output $W/open/out; echo $?; cat $W/victim
            ln -s ../victim $W/open/own; run --output $W/open/own; answers $W/victim
            """, prints: "1\nprecious\n1"),
    ]

    @Test(
        "what belongs to another user stays his",
        .enabled(if: ScriptCase.hasOthers, "this needs root, and another user who may run the commands"),
        arguments: owners)
    func owned(_ test: ScriptCase) throws { try test.check() }

    private static let mounts = [
        ScriptCase(
            "a full disk leaves what was there",
            """
            for k in $(seq 200); do cat $W/in; done >$W/many; mkdir $W/disk
            unshare -m bash -c "mount -t tmpfs -o size=64k tmpfs $W/disk; cd $W/disk; head -c 40000 /dev/zero >filler
              echo old >file; ln file second; cd - >/dev/null
              for k in 1 2; do
                $P run --threads 1 --core $C --input $W/many --output $W/disk/file 2>&1 | head -1 | sed s:$W/::
                cat $W/disk/file; rm -f $W/disk/second; ls -A $W/disk
              done"
            """,
            prints: """
                Error: cannot write disk/file: No space left on device
                old
                file
                filler
                Error: cannot write disk/file: No space left on device
                old
                file
                filler
                """),
        ScriptCase(
            "a file that is mounted, also into a folder that is read-only",
            """
            mkdir $W/closed; echo old >$W/source; echo old >$W/closed/file; echo old >$W/file
            unshare -m bash -c "mount --bind $W/source $W/file
              $P run --threads 1 --core $C --input $W/in --output $W/file 2>/dev/null; grep -c output $W/source
              mount --bind $W/closed $W/closed; mount --bind $W/source $W/closed/file; echo old >$W/source
              mount -o remount,ro,bind $W/closed
              $P run --threads 1 --core $C --input $W/in --output $W/closed/file 2>/dev/null; grep -c output $W/source
              $P run --threads 1 --core $C --input $W/in --output $W/closed/new 2>&1 | sed s:$W/::"; partial
            """, prints: "1\n1\nError: cannot write closed/new: Read-only file system\n0"),
    ]

    @Test(
        "what is mounted", .enabled(if: ScriptCase.canMount, "this needs to mount file systems"),
        arguments: mounts)
    func mounted(_ test: ScriptCase) throws { try test.check() }
}
