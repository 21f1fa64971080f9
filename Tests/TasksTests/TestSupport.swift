import JSON
import Tasks
import Testing

/// Runs `body`, which must be refused, and checks that the error's message names everything in
/// `mentions`.
func expectRefusal(
    _ mentions: String..., sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> some Any
) {
    do {
        let value = try body()
        Issue.record("accepted: \(value)", sourceLocation: sourceLocation)
    } catch let error as TaskError {
        for mention in mentions {
            #expect(error.message.contains(mention), "\(error)", sourceLocation: sourceLocation)
        }
    } catch {
        Issue.record("unexpected error: \(error)", sourceLocation: sourceLocation)
    }
}

/// The object of a JSON text.
func object(_ text: String) throws -> JSONObject { try #require(try JSONValue.parse(text).object) }

/// A definition from a JSON text.
func definition(_ text: String) throws -> TaskDefinition { try TaskDefinition(json: try object(text)) }

/// One answer for each pair of letters, letters standing for the names that begin with them.
func answers(
    _ references: String, _ predictions: String, names: [String], group: (Int) -> String? = { _ in nil }
) throws -> [EvaluatedAnswer] {
    #expect(references.count == predictions.count)
    func name(_ letter: Character) throws -> String { try #require(names.first { $0.first == letter }) }
    return try zip(references, predictions).enumerated().map { index, pair in
        EvaluatedAnswer(
            prediction: try name(pair.1), references: [try name(pair.0)], group: group(index))
    }
}

/// Whether two scores differ by rounding only.
func isClose(_ left: Double, _ right: Double) -> Bool { (left - right).magnitude < 1e-12 }
