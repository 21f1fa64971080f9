import Foundation
import TestSupport
import Testing

/// A shell's commands, and what they are to print.
struct ScriptCase: CustomTestStringConvertible {
    let name: String
    var commands: String
    let output: String

    init(_ name: String, _ commands: String, prints output: String) {
        (self.name, self.commands, self.output) = (name, commands, output)
    }

    var testDescription: String { name }

    /// `run …` answers one request on float32, `other …` runs something as another user, `answers FILE` says how many
    /// answers a file holds, `failure` what the last command complained of, without the folder's path.
    private static let prelude = #"""
        export POLYPROMPT_CACHE=$W/cache HOME=$W
        echo '{"task":null,"input":"a","max_tokens":1}' >$W/in
        run() { timeout 20 "$P" run --threads 1 --precision float32 --core "$C" --input $W/in "$@" 2>$W/err; }
        other() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
        otherRun() { other timeout 20 "$P" run --threads 1 --precision float32 --core "$C" --input $W/in "$@" 2>$W/err; }
        answers() { grep -c '"output"' "$1"; }
        failure() { head -1 $W/err | sed "s:$W/::g"; }
        partial() { ls -A $W | grep -c partial; }

        """#

    /// Runs the commands in a folder of their own and compares.
    func check() throws {
        let folder = try TemporaryFolder()
        let result = try Command.script(Self.prelude + commands, in: folder)
        #expect(result.output == output + "\n", "\(commands)\n\(result.errors)")
    }

    /// Whether the tests' user may become another, who can run the commands.
    static let hasOthers: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
        let tried = try? Command.script(
            prelude + "other test -x $P -a -r $C/config.json -a -r $W/in", in: folder)
        return tried?.status == 0
    }()

    /// Whether something can be mounted for one command alone.
    static let canMount: Bool = {
        guard geteuid() == 0, let folder = try? TemporaryFolder() else { return false }
        return (try? Command.script("unshare -m mount -t tmpfs tmpfs $W", in: folder))?.status == 0
    }()
}
