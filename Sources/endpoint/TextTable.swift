/// Rows of text in columns.
enum TextTable {
    /// A line a row, indented; each column but the last is as wide as its widest text, up to a limit.
    static func lines(_ rows: [[String]], indentation: Int = 2) -> [String] {
        let widest = 40
        var widths: [Int] = []
        for row in rows {
            for (column, text) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], min(text.count, widest))
            }
        }
        return rows.map { row in
            var line = String(repeating: " ", count: indentation)
            for (column, text) in row.enumerated() {
                line += text
                guard column < row.count - 1 else { break }
                line += String(repeating: " ", count: max(widths[column] - text.count, 0) + 2)
            }
            return line
        }
    }
}
