import Foundation
import JSON
import TestSupport
import Testing

/// Prompts whose values are finite, but whose numbers in the core are not.
@Suite struct NotFiniteTests {
    /// A folder with a store of such prompts.
    private func prepared() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        for (name, value) in [("wild", Float(3e38)), ("large", 2e19), ("mixed", -1e30)] {
            let values = (0..<512).map { name == "mixed" && $0 % 7 > 0 ? Float(0.1) : value }
            try folder.write(
                "\(name).safetensors",
                TensorFile.safetensors([("prompt_embeddings", FileTensor(shape: [2, 256], values: values))]))
        }
        let prepared = try Command.script(
            """
            set -e
            for name in wild large mixed; do
              $P prompts register --threads 1 --core $C --store $W/s --name $name $W/$name.safetensors
            done
            cp -r prompts/spam $W/labelled; cp $W/wild.safetensors $W/labelled/prompt.safetensors
            $P prompts register --threads 1 --core $C --store $W/s --name labelled $W/labelled
            $P prompts register --threads 1 --core $C --store $W/s prompts/spam
            $P prompts register --threads 1 --core $C --store $W/s --name labelled prompts/spam
            for combine in mean majority; do
              $P prompts alias --store $W/s both-$combine --ensemble labelled@2,labelled@1 --combine $combine
            done
            """, in: folder)
        #expect(prepared.status == 0, "\(prepared.errors)")
        return folder
    }

    /// What is added to a request for each way of answering.
    private static let ways = [
        #""labels":["positive","negative"]"#, #""labels":["positive"]"#, #""max_tokens":4"#,
        #""max_tokens":4,"num_beams":3"#, #""max_tokens":4,"temperature":1,"seed":1"#,
        #""max_tokens":4,"temperature":0.5,"top_k":3,"top_p":0.5,"seed":1"#,
    ]

    @Test func `they are errors of their requests and of nothing else, in every precision`() throws {
        let folder = try prepared()
        for precision in ["float32", "bfloat16", "int8"] { try answer(in: folder, precision) }
        // Nor is a score made of them.
        let result = try Command.script(
            "$T evaluate --threads 1 --core $C --store $W/s --task labelled@1 --data prompts/spam/sample.jsonl",
            in: folder)
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(
            result.errors.contains("labelled@1") && result.errors.contains("not finite"), "\(result.errors)")
    }

    private func answer(in folder: TemporaryFolder, _ precision: String) throws {
        let neighbours = ["null", "\"spam\""].flatMap { task in
            Self.ways.filter { task == "null" || !$0.contains("labels") }.map {
                #"{"task":\#(task),"input":"a film",\#($0)}"#
            }
        }
        let wild = ["wild", "large", "mixed"].flatMap { task in
            Self.ways.map { #"{"task":"\#(task)","input":"a film",\#($0)}"# }
        }
        let ensembles = ["labelled@1", "both-mean", "both-majority"].map {
            #"{"task":"\#($0)","input":"a film"}"#
        }
        let arguments = [
            "run", "--threads", "1", "--core", Repository.core, "--store", folder.file("s"), "--precision",
            precision,
        ]
        func answers(_ requests: [String]) throws -> [JSONObject] {
            try Command.polyprompt(arguments, input: requests.joined(separator: "\n") + "\n").lines
        }
        let alone = try answers(neighbours)
        #expect(alone.allSatisfy { $0["error"] == nil })
        let hostile = wild + ensembles
        var requests: [String] = []
        for (index, request) in hostile.enumerated() {
            requests += [request, neighbours[index % neighbours.count]]
        }
        let mixed = try answers(requests)
        #expect(mixed.count == 2 * hostile.count)
        for (index, request) in hostile.enumerated() {
            let error = mixed[2 * index]["error"]?.object
            #expect(error?["code"] == "not_finite", "\(precision): \(request): \(mixed[2 * index])")
            let name =
                request.contains("both") || request.contains("labelled@1")
                ? "labelled" : request.split(separator: "\"")[3]
            #expect(error?["message"]?.string?.contains("\(name)@1") == true, "\(mixed[2 * index])")
            let expected = alone[index % neighbours.count]
            if precision == "float32" {
                #expect(mixed[2 * index + 1]["output_ids"] == expected["output_ids"])
            } else {
                #expect(mixed[2 * index + 1] == expected)
            }
        }
    }

    @Test func `a probe of them is an error`() throws {
        let row = "[" + Array(repeating: "3e38", count: 256).joined(separator: ",") + "]"
        let result = try Command.polyprompt(
            ["core", "probe", "--threads", "1", "--core", Repository.core],
            input: #"{"prompt":[\#(row)],"input_ids":[5,1],"labels":[[3]]}"#)
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(
            result.errors.contains("line 1: ") && result.errors.contains("not finite"), "\(result.errors)")
    }
}
