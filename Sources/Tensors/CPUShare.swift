import CKernels
import Foundation

/// How many CPU cores' time this process may use: the least of the machine, the affinity mask (`taskset`, cpusets) and
/// the quota of its control groups (`docker --cpus`, a Kubernetes limit), of which a part counts as a whole core.
public struct CPUShare: Sendable, Equatable {
    /// CPU cores that are online.
    public var machine: Int
    /// CPU cores of the affinity mask (`sched_getaffinity(2)`).
    public var affinity: Int?
    /// CPU cores' worth of time that the control groups allow (`cpu.max` of version 2; `cpu.cfs_quota_us` over
    /// `cpu.cfs_period_us` of version 1): the least of the process's group and those above it.
    public var quota: Double?

    /// CPU cores to use, at least one.
    public var count: Int {
        let limits = [machine, affinity, quota.map { Int(min($0, 1e6).rounded(.up)) }]
        return max(1, limits.compactMap { $0 }.min() ?? 1)
    }

    /// What limits the process, for a message: "2 CPU cores, of which its control group allows 1.5".
    public var description: String {
        var text = "\(machine) CPU core\(machine == 1 ? "" : "s")"
        if let affinity, affinity < machine { text += ", of which its affinity mask has \(affinity)" }
        if let quota, quota < Double(affinity ?? machine) {
            text += ", of which its control group allows \(quota)"
        }
        return text
    }

    /// The share of this process as it starts. It is asked for once.
    public static let current: CPUShare = {
        let affinity = Int(pp_cpu_affinity())
        return CPUShare(
            machine: ProcessInfo.processInfo.processorCount, affinity: affinity > 0 ? affinity : nil,
            quota: ControlGroups(root: "").quota())
    }()

    package init(machine: Int, affinity: Int?, quota: Double?) {
        self.machine = machine
        self.affinity = affinity
        self.quota = quota
    }
}

/// The CPU quota that Linux's control groups set for this process (`cgroups(7)`).
package struct ControlGroups {
    /// What the paths begin with: empty for the system's own.
    let root: String

    package init(root: String) { self.root = root }

    /// CPU cores' worth of time; `nil` where no group limits it.
    package func quota() -> Double? {
        let groups = self.groups()
        return mounts().flatMap { mount -> [Double] in
            guard let group = groups[mount.isVersion2 ? "" : "cpu"] else { return [] }
            return levels(of: group, in: mount).compactMap { folder in
                mount.isVersion2 ? quotaOfVersion2(folder) : quotaOfVersion1(folder)
            }
        }.min()
    }

    private struct Mount {
        var isVersion2: Bool
        /// The group that the mount's top folder is.
        var top: String
        var folder: String
    }

    /// The process's group by controller; version 2's has no name.
    private func groups() -> [String: String] {
        var groups: [String: String] = [:]
        for line in lines("/proc/self/cgroup") {
            let fields = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard fields.count == 3 else { continue }
            for controller in fields[1].split(separator: ",", omittingEmptySubsequences: false) {
                groups[String(controller)] = String(fields[2])
            }
        }
        return groups
    }

    private func mounts() -> [Mount] {
        lines("/proc/self/mountinfo").compactMap { line in
            // id, parent, device, top folder, where it is mounted, options, tags…, "-", type, source, options
            let fields = line.split(separator: " ")
            guard fields.count >= 5, let dash = fields.firstIndex(of: "-"), fields.count > dash + 3 else {
                return nil
            }
            let isVersion2 = fields[dash + 1] == "cgroup2"
            guard
                isVersion2
                    || fields[dash + 1] == "cgroup" && fields[dash + 3].split(separator: ",").contains("cpu")
            else { return nil }
            return Mount(isVersion2: isVersion2, top: String(fields[3]), folder: String(fields[4]))
        }
    }

    /// The folders of a group and of those above it, as far as they can be seen. In a container that shows its own group
    /// as the mount's top folder, or does not show it at all, the top folder is what there is.
    private func levels(of group: String, in mount: Mount) -> [String] {
        let top = mount.top.split(separator: "/")
        var rest = group.split(separator: "/")
        if rest.starts(with: top) { rest.removeFirst(top.count) } else { rest = [] }
        return (0...rest.count).map { depth in
            mount.folder + rest.prefix(depth).map { "/" + $0 }.joined()
        }
    }

    private func quotaOfVersion2(_ folder: String) -> Double? {
        guard let fields = lines(folder + "/cpu.max").first?.split(separator: " "), fields.count == 2 else {
            return nil
        }
        return ratio(fields[0], fields[1])
    }

    private func quotaOfVersion1(_ folder: String) -> Double? {
        guard let quota = lines(folder + "/cpu.cfs_quota_us").first,
            let period = lines(folder + "/cpu.cfs_period_us").first
        else { return nil }
        return ratio(quota, period)
    }

    /// "max" and -1 are no limit.
    private func ratio(_ quota: Substring, _ period: Substring) -> Double? {
        guard let quota = Double(quota), let period = Double(period), quota > 0, period > 0 else {
            return nil
        }
        return quota / period
    }

    private func lines(_ path: String) -> [Substring] {
        (try? String(contentsOfFile: root + path, encoding: .utf8))?.split(separator: "\n") ?? []
    }
}
