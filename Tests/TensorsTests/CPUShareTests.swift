import Tensors
import TestSupport
import Testing

@Suite struct CPUShareTests {
    @Test(arguments: [
        (CPUShare(machine: 8, affinity: nil, quota: nil), 8),
        (CPUShare(machine: 8, affinity: 3, quota: nil), 3),
        (CPUShare(machine: 8, affinity: 3, quota: 1.5), 2),
        (CPUShare(machine: 8, affinity: 1, quota: 1.5), 1),
        (CPUShare(machine: 8, affinity: 8, quota: 0.1), 1),
        (CPUShare(machine: 2, affinity: 2, quota: 16), 2),
    ])
    func `the least of machine, affinity and quota counts`(share: CPUShare, count: Int) {
        #expect(share.count == count)
    }

    @Test func `a message says what limits`() {
        #expect(CPUShare(machine: 1, affinity: 1, quota: nil).description == "1 CPU core")
        #expect(
            CPUShare(machine: 8, affinity: 4, quota: 1.5).description
                == "8 CPU cores, of which its affinity mask has 4, of which its control group allows 1.5")
    }

    /// A control group's files as a case gives them, and the quota that they mean.
    struct Tree: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var group: String
        var mount: String
        var files: [String: String]
        var quota: Double?
    }

    private static let version2 = "30 24 0:26 TOP /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw"
    private static let version1 =
        "32 31 0:29 TOP /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"

    @Test(arguments: [
        Tree(
            testDescription: "version 2, in a container", group: "0::/\n", mount: version2,
            files: ["sys/fs/cgroup/cpu.max": "150000 100000\n"], quota: 1.5),
        Tree(
            testDescription: "version 2, no limit", group: "0::/\n", mount: version2,
            files: ["sys/fs/cgroup/cpu.max": "max 100000\n"], quota: nil),
        Tree(
            testDescription: "version 2, a group above has less", group: "0::/a.slice/b.scope\n",
            mount: version2,
            files: [
                "sys/fs/cgroup/a.slice/cpu.max": "50000 100000\n",
                "sys/fs/cgroup/a.slice/b.scope/cpu.max": "400000 100000\n",
            ], quota: 0.5),
        Tree(
            testDescription: "version 2, only the group's own folder is mounted", group: "0::/pod/x\n",
            mount: version2.replacing("TOP", with: "/pod/x"),
            files: ["sys/fs/cgroup/cpu.max": "300000 100000\n"], quota: 3),
        Tree(
            testDescription: "version 1", group: "4:cpu,cpuacct:/docker/abc\n3:memory:/docker/abc\n",
            mount: version1,
            files: [
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "200000\n",
                "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            ], quota: 2),
        Tree(
            testDescription: "version 1, the group's folder is not to be seen",
            group: "4:cpu,cpuacct:/docker/abc\n",
            mount: version1.replacing("TOP", with: "/docker/other"),
            files: [
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "100000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            ], quota: 1),
        Tree(
            testDescription: "version 1, no limit", group: "4:cpu:/\n",
            mount: version1,
            files: [
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            ], quota: nil),
        Tree(
            testDescription: "nonsense", group: "x\n::::\n0::\n", mount: "a - b\n- - -\n" + version2,
            files: ["sys/fs/cgroup/cpu.max": "0 0\n"], quota: nil),
    ])
    func `control groups' quotas are read`(tree: Tree) throws {
        let folder = try TemporaryFolder()
        var files = tree.files
        files["proc/self/cgroup"] = tree.group
        files["proc/self/mountinfo"] = tree.mount.replacing("TOP", with: "/") + "\n"
        for (name, text) in files {
            try folder.makeFolder(String(name[..<(name.lastIndex(of: "/") ?? name.endIndex)]))
            try folder.write(name, text)
        }
        #expect(ControlGroups(root: folder.path).quota() == tree.quota)
    }

    @Test func `a process that may use one CPU core starts one thread`() throws {
        let folder = try TemporaryFolder()
        let run = try Command.script(
            """
            if ! command -v taskset >/dev/null; then echo skipped; exit 0; fi
            taskset -c 0 "$P" bench classify --core "$C" --precision float32 --rounds 1 --json - | tr ',' '\\n' | grep '"threads"'
            """, in: folder)
        if run.output == "skipped\n" {
            printSkipped("the affinity mask's threads", because: "there is no taskset")
        } else {
            #expect(run.output.contains(/"threads": ?1\b/), "\(run.output) \(run.errors)")
        }
    }
}
