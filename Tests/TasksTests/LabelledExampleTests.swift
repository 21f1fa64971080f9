import JSON
import Tasks
import Testing

@Suite("Labelled examples")
struct LabelledExampleTests {
    private let pairTask = #"""
        {"name":"rte","template":"premise: {premise} hypothesis: {hypothesis}",
         "labels":[{"label":"no","text":"no"},{"label":"yes","text":"yes"}]}
        """#
    private let freeTask = #"{"name":"qa","template":"{input}"}"#

    private func read(
        _ task: String, _ text: String, map: String? = nil,
        unknownLabels: LabelledExampleReader.UnknownLabels = .refuse
    ) throws -> LabelledExampleReader.Contents {
        let labelMap = try map.map { text throws(TaskError) in try LabelMap(parsing: text) }
        let reader = try LabelledExampleReader(
            try definition(task), labelMap: labelMap ?? LabelMap(), unknownLabels: unknownLabels)
        return try reader.read(Array(text.utf8), file: "train.jsonl")
    }

    @Test("rows have the template's fields and a label; other members are ignored")
    func fields() throws {
        let contents = try read(
            pairTask, #"{"idx": 7, "premise": "A", "hypothesis": "B", "label": "yes", "version": {"x": []}}"#)
        #expect(
            contents.examples == [LabelledExample(text: "premise: A hypothesis: B", answers: ["yes"])])
        #expect(contents.unknownLabels == [])
    }

    @Test("input may stand for the fields: a string for one field, an object for several")
    func input() throws {
        #expect(
            try read(#"{"name":"t","template":"<{text}>"}"#, #"{"input":"x","label":"y"}"#).examples
                == [LabelledExample(text: "<x>", answers: ["y"])])
        #expect(
            try read(pairTask, #"{"input":{"premise":"A","hypothesis":"B"},"label":"no"}"#).examples.first?
                .text
                == "premise: A hypothesis: B")
        #expect(
            try read(freeTask, #"{"input":{"input":"x"},"label":"y"}"#).examples.first?.text == "x")
        // The template's own fields win over a member of another's making.
        #expect(
            try read(#"{"name":"t","template":"{text}"}"#, #"{"text":"x","input":"z","label":"y"}"#)
                .examples.first?.text == "x")
    }

    @Test("labels may be several, and numbers or booleans, which count by their JSON text")
    func labels() throws {
        let contents = try read(
            freeTask,
            """
            {"input":"a","label":["x","y","x"]}
            {"input":"b","label":3.80}
            {"input":"c","label":[true,0]}
            """)
        #expect(contents.examples.map(\.answers) == [["x", "y"], ["3.80"], ["true", "0"]])
    }

    @Test("a group ties rows together")
    func groups() throws {
        let contents = try read(
            freeTask,
            """
            {"input":"a","label":"x","group":"q1"}
            {"input":"b","label":"x","group":1}
            {"input":"c","label":"x"}
            """)
        #expect(contents.examples.map(\.group) == ["q1", "1", nil])
    }

    @Test("blank lines, carriage returns and a byte order mark are passed over")
    func blankLines() throws {
        let text = "\u{FEFF}{\"input\":\"a\",\"label\":\"x\"}\r\n\r\n  \t\n{\"input\":\"b\",\"label\":\"y\"}"
        #expect(try read(freeTask, text).examples.map(\.text) == ["a", "b"])
        #expect(try read(freeTask, "").examples == [])
        #expect(try read(freeTask, "\n\n").examples == [])
    }

    @Test(
        "a bad row is refused with its file, its line and the field",
        arguments: [
            ("{", "not JSON"), ("[1]", "an array of 1 was found, an object"),
            (#"{"premise":"A","label":"yes"}"#, "\"hypothesis\" is missing"),
            (#"{"premise":null,"hypothesis":"B","label":"yes"}"#, "\"premise\""),
            (#"{"input":"A","label":"yes"}"#, "\"premise\", \"hypothesis\""),
            (#"{"input":{"premise":"A","hypothesis":"B","x":1},"label":"yes"}"#, "\"x\""),
            (#"{"premise":"A","hypothesis":"B"}"#, "\"label\" is missing"),
            (#"{"premise":"A","hypothesis":"B","label":null}"#, "\"label\": null"),
            (#"{"premise":"A","hypothesis":"B","label":[]}"#, "an empty array"),
            (#"{"premise":"A","hypothesis":"B","label":[["yes"]]}"#, "\"label[0]\": an array"),
            (#"{"premise":"A","hypothesis":"B","label":"maybe"}"#, "no label \"maybe\""),
            (#"{"premise":"A","hypothesis":"B","label":["yes","maybe"]}"#, "no label \"maybe\""),
            (#"{"premise":"A","hypothesis":"B","label":"yes","group":true}"#, "\"group\": true"),
            (#"{"premise":"A","hypothesis":"B","label":"yes","group":null}"#, "\"group\": null"),
        ])
    func refused(line: String, mention: String) {
        let good = #"{"premise":"A","hypothesis":"B","label":"yes"}"#
        expectRefusal("train.jsonl:3: ", mention) {
            try read(pairTask, good + "\n\n" + line + "\n" + good)
        }
    }

    @Test("bytes that are not UTF-8 are refused")
    func notText() throws {
        let reader = try LabelledExampleReader(try definition(freeTask), unknownLabels: .refuse)
        expectRefusal("dev.jsonl:1: ", "UTF-8") {
            try reader.read(
                Array(#"{"input":""#.utf8) + [0xFF] + Array(#"","label":"x"}"#.utf8), file: "dev.jsonl")
        }
    }

    @Test("unknown labels are kept for dev and test, and named once each")
    func unknownLabels() throws {
        let contents = try read(
            pairTask,
            """
            {"premise":"A","hypothesis":"B","label":"maybe"}
            {"premise":"A","hypothesis":"B","label":"yes"}
            {"premise":"A","hypothesis":"B","label":"never"}
            {"premise":"A","hypothesis":"B","label":["maybe","no"]}
            """, unknownLabels: .keep)
        #expect(contents.examples.map(\.answers) == [["maybe"], ["yes"], ["never"], ["maybe", "no"]])
        #expect(contents.unknownLabels == ["maybe", "never"])
        // A task without labels knows any answer.
        #expect(try read(freeTask, #"{"input":"a","label":"x"}"#, unknownLabels: .keep).unknownLabels == [])
    }

    @Test("a label map renames the data's labels to the task's")
    func labelMap() throws {
        let contents = try read(
            pairTask,
            """
            {"premise":"A","hypothesis":"B","label":1}
            {"premise":"A","hypothesis":"B","label":["0","no"]}
            """, map: "1=yes, 0 = no")
        #expect(contents.examples.map(\.answers) == [["yes"], ["no"]])
    }

    @Test("a label map is FROM=TO pairs, applied once")
    func labelMapRules() throws {
        let map = try LabelMap(parsing: "a=b,b=a,c=x=y")
        #expect(map["a"] == "b")
        #expect(map["b"] == "a")
        #expect(map["c"] == "x=y")
        #expect(map["d"] == "d")
        for text in ["", "a", "a=", "=b", "a=b,", "a=b,,c=d"] {
            expectRefusal("FROM=TO") { try LabelMap(parsing: text) }
        }
        expectRefusal("\"a\" is mapped twice") { try LabelMap(parsing: "a=b,a=c") }
        expectRefusal("\"maybe\"") { try read(pairTask, "", map: "1=maybe") }
    }
}
