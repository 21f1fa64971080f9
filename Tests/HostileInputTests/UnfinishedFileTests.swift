import TestSupport
import Testing

/// What processes leave behind that are ended or killed.
@Suite struct UnfinishedFileTests {
    /// Begins a run that waits for input behind descriptor 9, and waits for its partial file.
    private static let waiting = """
        mkfifo $W/pipe
        begin() { "$@" $P run --threads 1 --core $C --input $W/pipe --output $W/out 2>$W/err & p=$!
          exec 9>$W/pipe; for k in $(seq 200); do [ $(partial) -gt 0 ] && break; sleep 0.02; done; partial; }

        """

    private static let cases = [
        ScriptCase(
            "interrupted, terminated or hung up",
            waiting + """
                for s in INT TERM HUP; do
                  # A shell's background commands ignore SIGINT.
                  begin python3 -c "import os,signal,sys; signal.signal(signal.SIGINT,signal.SIG_DFL)
                os.execv(sys.argv[1],sys.argv[1:])"
                  kill -$s $p; wait $p 2>/dev/null; echo $?; exec 9>&-; partial
                done
                """, prints: "1\n130\n0\n1\n143\n0\n1\n129\n0"),
        ScriptCase(
            "a hang-up that is ignored",
            waiting + "begin nohup; kill -HUP $p; cat $W/in >&9; exec 9>&-; wait $p; echo $?; answers $W/out",
            prints: "1\n0\n1"),
        ScriptCase(
            "the next run removes what a killed one has left, and nothing of a living one",
            waiting + """
                begin env; kill -KILL $p; wait $p 2>/dev/null; partial; exec 9>&-
                "$P" run --threads 1 --core $C --input $W/pipe --output $W/out 2>$W/err & p=$!; exec 9>$W/pipe
                until [ $(ls -l /proc/$p/fd | grep -c partial) = 1 ]; do sleep 0.02; done; partial
                run --output $W/another; partial; cat $W/in >&9; exec 9>&-; wait $p; echo $?; answers $W/out; partial
                """, prints: "1\n1\n1\n1\n0\n1\n0"),
        ScriptCase(
            "two that write the same",
            """
            for k in $(seq 50); do cat $W/in; done >$W/many
            for k in 1 2 3; do run --input $W/many --output $W/out & done; wait; answers $W/out; partial
            """, prints: "50\n0"),
        ScriptCase(
            "files of that kind that are not ours to remove",
            """
            mkdir $W/x.polyprompt-0123456789abcdef.partial; echo kept >$W/kept
            ln -s kept $W/y.polyprompt-0123456789abcdef.partial; echo >$W/z.polyprompt-0123.partial
            echo >$W/gone.polyprompt-fedcba9876543210.partial; run --output $W/out
            cat $W/kept; ls -A $W | grep partial
            """,
            prints: "kept\ny.polyprompt-0123456789abcdef.partial\nz.polyprompt-0123.partial"),
        ScriptCase(
            "a demonstration that is ended leaves no store",
            """
            mkdir $W/tmp; TMPDIR=$W/tmp $P demo --threads 1 --core $C --prompts prompts >$W/out & p=$!
            until [ $(ls $W/tmp | grep -c partial) = 1 ]; do sleep 0.01; done
            stat -c %a $W/tmp/*; kill $p; wait $p 2>/dev/null; ls -A $W/tmp | wc -l
            TMPDIR=$W/tmp $P demo --threads 1 --core $C --prompts prompts >$W/out; echo $?; ls -A $W/tmp | wc -l
            """, prints: "700\n0\n0\n0"),
        ScriptCase(
            "a backup has its name when it is complete",
            """
            $P prompts register --threads 1 --core $C --store $W/store prompts/spam
            mkdir $W/there; ln -s there/copy $W/link; chmod 750 $W/store
            $P prompts backup --store $W/store $W/copy; stat -c %a $W/copy; ls -A $W/copy; partial
            $P prompts backup --store $W/store $W/there 2>/dev/null; echo $?
            """, prints: "spam@1\n750\ndata.mdb\n0\n1"),
    ]

    @Test("nothing unfinished stays", arguments: cases)
    func swept(_ test: ScriptCase) throws { try test.check() }
}
