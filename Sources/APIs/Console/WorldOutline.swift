import HTTPSupport
import Wire

/// The outline of the world: Natural Earth's 1:110m countries (public domain, naturalearthdata.com), simplified to a
/// tenth of a degree. Made from `naturalearth_lowres` of the PyPI package geopandas 0.14.4.
///
/// It has two lists of lines, `land` (closed) and `borders`. A line begins with longitude and latitude in
/// tenths of a degree; each further pair is the way from the point before.
package enum WorldOutline {
    /// As JSON, for the script.
    package static var bytes: [UInt8] { json.withUTF8Buffer { Array($0) } }

    /// As SVG with the elements `land` and `borders`, in degrees with latitudes upwards.
    package static var svg: [UInt8] {
        let json = (try? JSONValue(parsing: bytes)) ?? .null
        var html = HTML(capacity: 80 << 10)
        html.element("svg", .set("xmlns", "http://www.w3.org/2000/svg"), .set("viewBox", "-180 -90 360 180")) { html in
            for (id, end) in [("land", "z"), ("borders", "")] {
                let lines = json[id]?.array ?? []
                html.element(
                    "path", .id(id), .set("vector-effect", "non-scaling-stroke"),
                    .set("d", lines.map { path($0) + end }.joined())
                ) { _ in }
            }
        }
        return html.bytes
    }

    private static func path(_ line: JSONValue) -> String {
        let numbers = (line.array ?? []).map { $0.integer ?? 0 }
        guard numbers.count >= 4 else { return "" }
        return "M\(tenths(numbers[0])) \(tenths(numbers[1]))l" + numbers.dropFirst(2).map(tenths).joined(separator: " ")
    }

    private static func tenths(_ number: Int64) -> String {
        let rest = number.magnitude % 10
        return (number < 0 ? "-" : "") + String(number.magnitude / 10) + (rest == 0 ? "" : ".\(rest)")
    }
}
