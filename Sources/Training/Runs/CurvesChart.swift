import Foundation

/// A run's curves as an SVG: loss above, dev score below, both over the steps.
struct CurvesChart {
    /// A line and its colour's place in the order.
    private struct Line {
        let name: String
        let points: [(x: Double, y: Double)]
    }

    private let title: String
    private let metric: String
    private let losses: [Line]
    private let scores: [Line]

    /// More lines than this cannot be told apart: only the first are named.
    private static let maximumNames = 12
    private static let colours = [
        "#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f",
        "#bcbd22",
    ]

    /// The curves of some jobs, by their names.
    init(title: String, metric: String, jobs: [(name: String, reports: [TrainingReport])]) {
        self.title = title
        self.metric = metric
        losses = jobs.map { job in
            Line(
                name: job.name,
                points: job.reports.compactMap { report in report.loss.map { (Double(report.step), $0) } })
        }
        scores = jobs.map { job in
            Line(name: job.name, points: job.reports.map { (Double($0.step), $0.dev) })
        }
    }

    /// The image.
    var svg: String {
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 520\" font-family=\"sans-serif\" "
                + "font-size=\"12\">",
            "<rect width=\"640\" height=\"520\" fill=\"white\"/>",
            "<text x=\"60\" y=\"20\" font-size=\"14\">\(Self.escaped(title))</text>",
        ]
        parts += panel(losses, name: "loss", top: 40)
        parts += panel(scores, name: "dev \(metric)", top: 275)
        if losses.count > 1 {
            for (index, line) in losses.prefix(Self.maximumNames).enumerated() {
                parts.append(
                    "<text x=\"470\" y=\"\(58 + 14 * index)\" fill=\"\(Self.colour(index))\">"
                        + "\(Self.escaped(String(line.name.suffix(28))))</text>")
            }
        }
        return parts.joined(separator: "\n") + "\n</svg>\n"
    }

    private func panel(_ lines: [Line], name: String, top: Double) -> [String] {
        let (left, width, height) = (60.0, losses.count > 1 ? 400.0 : 560.0, 195.0)
        let points = lines.flatMap(\.points)
        let last = max(1, points.map(\.x).max() ?? 1)
        let low = points.map(\.y).min() ?? 0
        let high = max(points.map(\.y).max() ?? 1, low + 1e-9)
        func x(_ value: Double) -> Double { left + value / last * width }
        func y(_ value: Double) -> Double { top + height - (value - low) / (high - low) * height }
        func number(_ value: Double) -> String { String(format: "%.1f", value) }
        var parts = [
            "<rect x=\"\(left)\" y=\"\(top)\" width=\"\(width)\" height=\"\(height)\" fill=\"none\" "
                + "stroke=\"#999\"/>",
            "<text x=\"\(left)\" y=\"\(top - 5)\" fill=\"#333\">\(Self.escaped(name))</text>",
        ]
        for share in [0.0, 0.5, 1.0] {
            let value = low + (high - low) * share
            parts.append(
                "<text x=\"\(left - 6)\" y=\"\(number(y(value) + 4))\" text-anchor=\"end\" fill=\"#333\">"
                    + "\(String(format: "%.3g", value))</text>")
            parts.append(
                "<text x=\"\(number(x(last * share)))\" y=\"\(top + height + 15)\" text-anchor=\"middle\" "
                    + "fill=\"#333\">\(Int((last * share).rounded()))</text>")
        }
        for (index, line) in lines.enumerated() where !line.points.isEmpty {
            let path = line.points.map { "\(number(x($0.x))),\(number(y($0.y)))" }.joined(separator: " ")
            parts.append(
                "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(Self.colour(index))\" "
                    + "stroke-width=\"1.5\"/>")
        }
        return parts
    }

    private static func colour(_ index: Int) -> String { colours[index % colours.count] }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
    }
}
