import TestSupport
import Testing

/// The cache of packed cores, which is trusted because of where it is.
@Suite struct TrustedFileTests {
    /// `packed` answers in bfloat16 and says whether a warning came.
    private static let prelude = """
        packed() { "$@" $P run --threads 1 --precision bfloat16 --core $C --input $W/in >$W/out 2>$W/err; echo "$?" \\
          "$(grep -c 'the packed cache is not used' $W/err)"; }

        """

    private static let cases = [
        ScriptCase(
            "is written for its user alone, whatever the mask is",
            prelude + """
                for mask in 000 077 002; do rm -rf $W/cache; (umask $mask; packed env); stat -c %a $W/cache $W/cache/*; done
                """, prints: Array(repeating: "0 0\n700\n644", count: 3).joined(separator: "\n")),
        ScriptCase(
            "is used as it is when it is right",
            prelude
                + "packed env; ls -i $W/cache >$W/before; packed env; ls -i $W/cache | cmp - $W/before; echo $?",
            prints: "0 0\n0 0\n0"),
        ScriptCase(
            "a file that others may write to is replaced",
            prelude + "packed env; chmod 666 $W/cache/*; packed env; stat -c %a $W/cache/*; packed env",
            prints: "0 0\n0 1\n644\n0 0"),
        ScriptCase(
            "a folder that others may write to is neither read nor written",
            prelude + """
                packed env; for mode in 777 770 1777 702; do chmod $mode $W/cache; packed env; done
                rm $W/cache/*; packed env; ls $W/cache | wc -l; chmod 755 $W/cache; packed env; ls $W/cache | wc -l
                """, prints: "0 0\n0 1\n0 1\n0 1\n0 1\n0 1\n0\n0 0\n1"),
        ScriptCase(
            "a link, a pipe or a folder in its place",
            prelude + """
                packed env; f=$(echo $W/cache/*); mv $f $W/moved; ln -s $W/moved $f; packed env; stat -c %F $f
                rm $f; mkfifo $f; packed timeout 10; stat -c %F $f; rm $f; mkdir $f; packed env
                """, prints: "0 0\n0 1\nregular file\n0 1\nregular file\n0 1"),
        ScriptCase(
            "a folder that is none",
            prelude
                + "export POLYPROMPT_CACHE=$W/in; packed env; export POLYPROMPT_CACHE=$W/in/x/y; packed env",
            prints: "0 1\n0 1"),
        ScriptCase(
            "several that begin at once",
            prelude + """
                for k in 1 2 3; do packed env & done; wait; ls -A $W/cache | wc -l; packed env
                """, prints: "0 0\n0 0\n0 0\n1\n0 0"),
    ]

    @Test("the packed cache", arguments: cases)
    func cache(_ test: ScriptCase) throws { try test.check() }

    private static let owners = [
        ScriptCase(
            "a forged file of another's changes no answer",
            prelude + """
                packed env; cp $W/out $W/first; python3 - $W/cache/* <<'E'
                import sys,hashlib,struct,array,os
                f=sys.argv[1]; b=open(f,'rb').read(); a=array.array('H',b[4096:])
                for i in range(1000,len(a)//2,7): a[i]=0x3f80
                x=a.tobytes(); d=b''.join(hashlib.sha256(x[i:i+(8<<20)]).digest() for i in range(0,len(x),8<<20))
                n=struct.unpack('<I',b[12:16])[0]; h=bytearray(b[:4096])
                h[24+n:56+n]=hashlib.sha256(d).digest(); open(f,'wb').write(bytes(h)+x)
                E
                packed env; cmp -s $W/out $W/first; echo $?; chown 65534 $W/cache/*; packed env; cmp $W/out $W/first
                stat -c %u $W/cache/*
                """, prints: "0 0\n0 0\n1\n0 1\n0"),
        ScriptCase(
            "a folder of another's is neither read nor written",
            prelude + "packed env; chown 65534 $W/cache; rm $W/cache/*; packed env; ls $W/cache | wc -l",
            prints: "0 0\n0 1\n0"),
        ScriptCase(
            "root's serves everybody",
            prelude
                + "packed env; chmod 755 $W/cache; touch $W/out $W/err; chmod 666 $W/out $W/err; packed other",
            prints: "0 0\n0 0"),
    ]

    @Test(
        "the packed cache of another user",
        .enabled(if: ScriptCase.hasOthers, "this needs root, and another user who may run the commands"),
        arguments: owners)
    func othersCache(_ test: ScriptCase) throws { try test.check() }

}
