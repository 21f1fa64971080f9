import Basics
import Foundation
import JSON

/// The folder that a run writes: what is in it, and what of that is a run's.
///
/// A run's checkpoint comes with its first step and goes when everything is written and published, so that it tells an
/// unfinished run from a finished one.
public struct RunFolder: Sendable {
    /// What of a run is in a folder.
    public enum State: Sendable {
        /// Nothing that could be lost.
        case empty
        /// A checkpoint to go on from.
        case unfinished
        /// The results.
        case finished
    }

    /// The folder, which need not exist.
    public let path: String

    /// A folder by its path.
    public init(path: String) { self.path = path }

    /// What is in it.
    public var state: State {
        if exists(Self.checkpoint) { return .unfinished }
        return exists(Self.result) || exists(Self.summary) ? .finished : .empty
    }

    private static let checkpoint = "checkpoint.safetensors"
    private static let description = "train.json"
    private static let log = "log.jsonl"
    private static let result = "result.json"
    private static let summary = "summary.json"
    private static let core = "core"
    /// What only a run's end writes.
    private static let products = ["prompt.safetensors", "card.md", "curves.svg"]

    var checkpointPath: String { "\(path)/\(Self.checkpoint)" }
    /// Where the core goes whose weights were trained.
    var corePath: String { "\(path)/\(Self.core)" }
    private var descriptionPath: String { "\(path)/\(Self.description)" }

    private func exists(_ name: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(path)/\(name)")
    }

    /// The folder of a job.
    func folder(of job: RunDescription.Job) -> RunFolder {
        RunFolder(path: job.folder.isEmpty ? path : "\(path)/\(job.folder)")
    }

    /// Whether a run has written here.
    private var isRuns: Bool {
        exists(Self.description)
            && [Self.checkpoint, Self.log, Self.result, Self.summary].contains(where: exists)
    }

    // MARK: Beginning and going on

    /// The settings that the folder's run wrote down.
    ///
    /// - Throws: `TrainingError` when there is none.
    public func settings() throws(TrainingError) -> JSONObject {
        guard exists(Self.description) else {
            throw TrainingError(
                "\(path) has no run to go on from; give the whole command (--core, --task, --train …), which then begins one"
            )
        }
        return try read(Self.description)
    }

    /// The checkpoint that a run goes on from; `nil` for one that begins.
    ///
    /// - Throws: `TrainingError` when there is a run that must not be written over, or a checkpoint that cannot be used.
    func checkpoint(resume: Bool, overwrite: Bool) throws(TrainingError) -> Checkpoint? {
        switch state {
        case .empty: return nil
        case .unfinished where resume: return try Checkpoint(path: checkpointPath)
        case .finished where resume:
            throw TrainingError("\(path) has a finished run; there is nothing to go on with")
        case .unfinished, .finished:
            guard !overwrite else { return nil }
            throw TrainingError(
                state == .unfinished
                    ? "\(path) has the checkpoint of an unfinished run; go on with --resume, or replace it with --overwrite"
                    : "\(path) has a finished run; name another folder, or replace it with --overwrite")
        }
    }

    /// Refuses what a run could not write, or would write over though it is no run's.
    ///
    /// - Parameter isResumed: Whether the run goes on from the folder's checkpoint.
    func check(_ description: RunDescription, isResumed: Bool) throws(TrainingError) {
        for folder in [self] + description.jobs.map({ folder(of: $0) }) {
            try Self.checkWritable(folder: folder.path)
            guard !isResumed, !folder.isRuns else { continue }
            let products = Self.products + [Self.checkpoint, Self.result, Self.summary]
            if let name = products.first(where: folder.exists) {
                throw TrainingError(
                    "\(folder.path)/\(name) is not of a run of this folder; name another folder")
            }
        }
        for job in description.jobs {
            let source = TaskSource(task: folder(of: job).path + "/task.json", train: "")
            guard !isResumed, !folder(of: job).isRuns, folder(of: job).exists("task.json") else { continue }
            guard let there = try? source.definition(), try there == job.source.definition() else {
                throw TrainingError(
                    "\(source.task) is another task than \(job.source.task); name another folder")
            }
        }
        guard description.trainsCore, !isResumed, exists(Self.core), !hasCore else { return }
        throw TrainingError(
            "\(corePath) exists already, and the trained core is to be written there; remove it")
    }

    /// Whether a run has left a core here, or was about to.
    private var hasCore: Bool {
        guard isRuns, let settings = try? settings() else { return false }
        return settings["method"] == "full" || settings["train_weights"]?.string != nil
    }

    /// Refuses a folder in which nothing can be made.
    static func checkWritable(folder: String) throws(TrainingError) {
        var path = folder
        var isDirectory: ObjCBool = false
        // Where it does not exist the folder above it decides.
        while !FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
            let above = (path as NSString).deletingLastPathComponent
            guard above != path else { break }
            path = above.isEmpty ? "." : above
        }
        guard isDirectory.boolValue else {
            throw TrainingError("\(folder) cannot be written: \(path) is a file, not a folder")
        }
        // Permissions do not tell all: file systems that are read-only or made by the kernel take nothing from anybody.
        var probe = Array("\(path)/.polyprompt-XXXXXX".utf8CString)
        guard mkdtemp(&probe) != nil else {
            throw TrainingError(wrapping: FileError(cannot: "write to the folder", path))
        }
        rmdir(probe)
    }

    // MARK: A finished run

    /// The results of a finished run, a job each: the objects of `result.json`.
    ///
    /// - Throws: `TrainingError` naming the first setting that is another in the description than it was in the run.
    public func results(of description: RunDescription) throws(TrainingError) -> [JSONObject] {
        let jobs = description.jobs.map(\.folder)
        var finished = [""]
        if jobs != [""] || exists(Self.summary) {
            guard exists(Self.summary) else { throw difference("it has one job, not \(jobs.count)") }
            let groups = try read(Self.summary)["results"]?.array ?? []
            finished = groups.flatMap { $0.object?["folders"]?.array ?? [] }.compactMap(\.string)
        }
        guard Set(finished).isSubset(of: jobs) else {
            throw difference("its jobs are others: tasks, seeds or lists of settings differ")
        }
        var results: [JSONObject] = []
        for job in description.jobs {
            let folder = folder(of: job)
            guard folder.exists(Self.description) else {
                throw difference("its jobs are others: there is none in \(job.folder)")
            }
            // A job may have come to nothing beside others.
            guard finished.contains(job.folder) else { continue }
            let (was, now) = (try folder.read(Self.description), description.planned(job))
            for key in now.keys + was.keys where key != "threads" {
                let (was, now) = (was[key] ?? .null, now[key] ?? .null)
                // The data decide these where they are not given.
                if now.isNull, ["steps", "evaluate_every"].contains(key) { continue }
                guard was != now else { continue }
                throw difference("its setting \(key) was \(was.line), not \(now.line)")
            }
            results.append(try folder.read(Self.result))
        }
        return results
    }

    private func difference(_ what: String) -> TrainingError {
        TrainingError(
            "\(path) has a finished run, but \(what); name another folder, or replace it with --overwrite")
    }

    private func read(_ name: String) throws(TrainingError) -> JSONObject {
        let bytes = try FileAccess.read("\(path)/\(name)", limit: 256 << 20)
        return try ObjectReader(parsing: bytes, at: "\(path)/\(name)") { TrainingError($0) }.object
    }

    // MARK: Removing what is a run's

    func removeCheckpoint() { unlink(checkpointPath) }

    /// Removes what an earlier run left, and nothing else: the next one begins.
    func clear(for description: RunDescription) throws(TrainingError) {
        guard isRuns else { return }
        let earlier = (try? RunDescription(json: settings(), at: descriptionPath))?.jobs ?? []
        let core = hasCore
        for job in earlier + description.jobs where !job.folder.isEmpty {
            let folder = folder(of: job)
            guard folder.isRuns else { continue }
            folder.removeProducts()
            guard !description.jobs.contains(where: { $0.folder == job.folder }) else { continue }
            unlink(folder.descriptionPath)
            let task = folder.path + "/task.json"
            if !description.jobs.contains(where: { [task, folder.path].contains($0.source.task) }) {
                unlink(task)
            }
            // Only when nothing else is there; then the task's own folder, where there are several jobs of it.
            rmdir(folder.path)
            rmdir((folder.path as NSString).deletingLastPathComponent)
        }
        if core { try removeCore() }
        removeProducts()
    }

    private func removeProducts() {
        for name in [Self.summary, Self.result] + Self.products + [Self.log, Self.checkpoint] {
            unlink("\(path)/\(name)")
        }
    }

    /// Removes the core that a run wrote; anything else in its folder stays, and is an error.
    func removeCore() throws(TrainingError) {
        guard exists(Self.core) else { return }
        for name in CoreDirectory.files { unlink("\(corePath)/\(name)") }
        guard rmdir(corePath) == 0 else {
            throw TrainingError(wrapping: FileError(cannot: "replace the core", corePath))
        }
    }
}
