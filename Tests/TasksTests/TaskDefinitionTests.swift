import JSON
import T5
import Tasks
import Testing

@Suite("Task definition")
struct TaskDefinitionTests {
    @Test("name and template are enough; everything else has its default")
    func defaults() throws {
        let task = try definition(#"{"name": "summary", "template": "summarize: {input}"}"#)
        #expect(task.name == "summary")
        #expect(task.description == "")
        #expect(task.template.fields == ["input"])
        #expect(task.verbalizer == nil)
        #expect(task.metric == .exactMatch)
        #expect(task.maxInputTokens == 512)
        #expect(task.maxNewTokens == 32)
        #expect(task.decoding == DecodingOptions())
        #expect(task.targetPrefix == "")
        #expect(task.normalize == .labels)
    }

    @Test("every key is read")
    func everyKey() throws {
        let task = try definition(
            #"""
            {"name": "rte", "description": "Entailment.", "template": "premise: {premise} hypothesis: {hypothesis}",
             "labels": [{"label": "no", "text": "not_entailment"}, {"label": "yes", "text": "entailment"}],
             "metric": "f1", "max_input_tokens": 300, "max_new_tokens": 5,
             "decoding": {"num_beams": 4}, "target_prefix": "<extra_id_0>", "normalize": "vocabulary"}
            """#)
        #expect(task.description == "Entailment.")
        #expect(task.template.fields == ["premise", "hypothesis"])
        #expect(task.verbalizer?.names == ["no", "yes"])
        #expect(task.verbalizer?.texts == ["not_entailment", "entailment"])
        #expect(task.metric == .f1)
        #expect(task.maxInputTokens == 300)
        #expect(task.maxNewTokens == 5)
        #expect(task.decoding.beamCount == 4)
        #expect(task.targetPrefix == "<extra_id_0>")
        #expect(task.normalize == .vocabulary)
    }

    @Test("labels make accuracy the default metric")
    func metricWithLabels() throws {
        let task = try definition(
            #"{"name":"t","template":"{x}","labels":[{"label":"a","text":"A"},{"label":"b","text":"B"}]}"#)
        #expect(task.metric == .accuracy)
    }

    @Test(
        "the JSON form is canonical: it reads back equal, and equal definitions have equal bytes",
        arguments: [
            #"{"name":"a","template":"{x}"}"#,
            #"{"template":"{{{x}}} {y}","name":"b.2_c-d","normalize":"vocabulary","max_new_tokens":7}"#,
            #"{"name":"c","template":"{x}","labels":[{"text":"A","label":"a"},{"label":"b","text":"B"}]}"#,
            #"{"name":"d","template":"{x}","metric":"token_f1","decoding":{"seed":5,"temperature":0.7,"stop":["\n"]}}"#,
        ])
    func roundTrip(text: String) throws {
        let task = try definition(text)
        let again = try TaskDefinition(parsing: JSONValue.object(task.json).lineBytes)
        #expect(again == task)
        #expect(JSONValue.object(again.json).line == JSONValue.object(task.json).line)
        #expect(task.json.keys == TaskDefinition.keys.filter { $0 != "labels" || task.verbalizer != nil })
    }

    @Test("member order and number spelling do not change the canonical form")
    func canonical() throws {
        let first = try definition(#"{"name":"a","template":"{x}","max_input_tokens":64}"#)
        let second = try definition(#"{"max_input_tokens":64.0,"template":"{x}","name":"a"}"#)
        #expect(first == second)
        #expect(first.json == second.json)
    }

    @Test("unknown keys are refused by name, at every level")
    func unknownKeys() {
        expectRefusal("\"metrics\"", "max_input_tokens") {
            try definition(#"{"name":"t","template":"{x}","metrics":"f1"}"#)
        }
        expectRefusal("\"labels[1].texts\"") {
            try definition(
                #"{"name":"t","template":"{x}","labels":[{"label":"a","text":"a"},{"label":"b","texts":"b"}]}"#
            )
        }
        expectRefusal("\"decoding.beams\"", "num_beams") {
            try definition(#"{"name":"t","template":"{x}","decoding":{"beams":2}}"#)
        }
    }

    @Test("required keys")
    func required() {
        expectRefusal("\"name\" is missing") { try definition(#"{"template":"{x}"}"#) }
        expectRefusal("\"template\" is missing") { try definition(#"{"name":"t"}"#) }
        expectRefusal("\"labels[0].text\" is missing") {
            try definition(#"{"name":"t","template":"{x}","labels":[{"label":"a"}]}"#)
        }
    }

    @Test(
        "a wrong type or value is refused with its key, what was found and what was expected",
        arguments: [
            ("name", "3", "the number 3", "a string"),
            ("description", "null", "null", "a string"),
            ("template", "[]", "an empty array", "a string"),
            ("labels", "{}", "an object", "an array"),
            ("labels[0]", "unused", "the string \"a\"", "an object"),
            ("metric", "\"bleu\"", "the string \"bleu\"", "\"token_f1\""),
            ("max_input_tokens", "0", "the number 0", "from 1 to 131072"),
            ("max_input_tokens", "131073", "the number 131073", "from 1 to 131072"),
            ("max_input_tokens", "1.5", "the number 1.5", "an integer"),
            ("max_input_tokens", "1e400", "the number 1e400", "an integer"),
            ("max_new_tokens", "0", "the number 0", "from 1 to 65536"),
            ("max_new_tokens", "\"8\"", "the string \"8\"", "an integer"),
            ("decoding", "true", "true", "an object"),
            ("target_prefix", "false", "false", "a string"),
            ("normalize", "\"none\"", "the string \"none\"", "\"vocabulary\""),
        ])
    func wrongTypes(key: String, value: String, found: String, expected: String) throws {
        var task = try object(#"{"name":"t","template":"{x}"}"#)
        if key == "labels[0]" {
            task["labels"] = ["a", "b"]
        } else {
            task[key] = try JSONValue.parse(value)
        }
        expectRefusal("\"\(key)\"", "\(found) was found", expected) {
            try TaskDefinition(json: task)
        }
    }

    @Test("a name must follow the rule for names")
    func names() {
        expectRefusal("\"name\"", "\"../x\"") {
            try definition(#"{"name":"../x","template":"{x}"}"#)
        }
    }

    @Test("labels must differ in name and in text, and neither may be empty")
    func labels() {
        func task(_ labels: String) throws -> TaskDefinition {
            try definition(#"{"name":"t","template":"{x}","labels":["# + labels + "]}")
        }
        let a = #"{"label":"a","text":"A"}"#
        expectRefusal("labels[1]", "\"a\"") { try task(a + #",{"label":"a","text":"B"}"#) }
        expectRefusal("labels[1]", "\"A\"") { try task(a + #",{"label":"b","text":"A"}"#) }
        expectRefusal("labels[1]") { try task(a + #",{"label":"b","text":" A "}"#) }
        expectRefusal("labels[1]", "\"b\"") { try task(a + #",{"label":"b","text":""}"#) }
        expectRefusal("labels[1]") { try task(a + #",{"label":"b","text":" \t"}"#) }
        expectRefusal("labels[1]", "name") { try task(a + #",{"label":"","text":"B"}"#) }
        expectRefusal("\"labels\"", "at least two") { try task(a) }
        expectRefusal("labels", "0 were found") { try task("") }
    }

    @Test("ten thousand labels are the limit")
    func labelLimit() throws {
        func labels(_ count: Int) -> [Verbalizer.Label] {
            (0..<count).map { Verbalizer.Label(name: "l\($0)", text: "text \($0)") }
        }
        #expect(try Verbalizer(labels(10_000)).labels.count == 10_000)
        expectRefusal("10001") { try Verbalizer(labels(10_001)) }
    }

    @Test("a metric that the labels do not allow is refused")
    func metricAndLabels() throws {
        func task(_ metric: Metric, _ names: [String]) throws -> TaskDefinition {
            try TaskDefinition(
                name: "t", template: try Template("{x}"),
                verbalizer: names.isEmpty
                    ? nil : try Verbalizer(names.map { Verbalizer.Label(name: $0, text: $0) }),
                metric: metric)
        }
        for metric in [Metric.f1, .f1A] {
            #expect(try task(metric, ["no", "yes"]).metric == metric)
            expectRefusal(metric.rawValue, "exactly two labels") { try task(metric, []) }
            expectRefusal(metric.rawValue) { try task(metric, ["a", "b", "c"]) }
        }
        for metric in [Metric.macroF1, .matthews] {
            #expect(try task(metric, ["a", "b", "c"]).metric == metric)
            expectRefusal(metric.rawValue, "labels") { try task(metric, []) }
        }
        for metric in [Metric.pearson, .spearman] {
            #expect(try task(metric, []).metric == metric)
            #expect(try task(metric, ["0.0", "2.5"]).metric == metric)
            expectRefusal(metric.rawValue, "\"high\"") { try task(metric, ["0", "high"]) }
        }
        for metric in [Metric.accuracy, .exactMatch, .tokenF1] {
            #expect(try task(metric, []).metric == metric)
            #expect(try task(metric, ["a", "b", "c"]).metric == metric)
        }
    }

    @Test("a definition made in code keeps the same rules")
    func madeInCode() throws {
        let template = try Template("{x}")
        expectRefusal("\"name\"") { try TaskDefinition(name: "No", template: template) }
        expectRefusal("\"max_new_tokens\"") {
            try TaskDefinition(name: "t", template: template, maxNewTokens: 0)
        }
        var decoding = DecodingOptions()
        decoding.minimumNewTokens = 9
        expectRefusal("decoding.min_new_tokens", "max_new_tokens") {
            try TaskDefinition(name: "t", template: template, maxNewTokens: 8, decoding: decoding)
        }
        decoding.topP = .nan
        expectRefusal("\"decoding.top_p\"") {
            try TaskDefinition(name: "t", template: template, decoding: decoding)
        }
    }

    @Test(
        "text that is not a JSON object is refused",
        arguments: ["", "[]", "{\"name\":", "{\"name\":1,\"name\":2}"])
    func notAnObject(text: String) {
        expectRefusal { try TaskDefinition(parsing: Array(text.utf8)) }
    }
}
