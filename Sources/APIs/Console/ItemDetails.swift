import Geometry
import HTTPSupport
import Identity
import Wire

/// One item: picture, place, properties, files and trace.
struct ItemDetails {
    let principal: Principal
    let item: ItemView
    let reports: [TraceReport]
    let addresses: NodeAddresses
    let vkey: String

    func response(_ files: StaticFiles) -> Response {
        var page = Page(item.id, principal)
        page.hasMap = true
        return page.response(files) { html in
            html.trail([("Collections", "/"), (item.collection, Link.collection(item.collection))], here: item.id)
            html.element("h1", .class("name"), text: item.properties["title"]?.string ?? item.id)
            html.element("p", .class("figures")) { html in
                html.element("strong") { $0.time(item.times) }
                if let cloud = item.cloudCover {
                    html.element("span", text: "cloud \(Words.decimal(cloud, digits: 1)) %")
                }
                if let platform = item.properties["platform"]?.string { html.element("span", text: platform) }
                html.element("span", text: Words.count(Int64(item.assets.count), "file", "files") + size)
            }
            html.element("div", .class("looks")) { html in
                writePicture(&html)
                writeMap(files, &html)
            }
            html.element("div", .class("columns")) { html in
                writeProperties(&html)
                TraceSection(reports: reports, item: item, addresses: addresses, vkey: vkey).write(to: &html)
            }
            FilesSection(item: item).write(to: &html)
        }
    }

    private var size: String {
        let total = item.assets.reduce(0 as Int64) { $0.addingReportingOverflow(max(0, $1.size ?? 0)).partialValue }
        return total > 0 ? ", \(Words.size(total))" : ""
    }

    private func writePicture(_ html: inout HTML) {
        html.element("figure", .class("picture")) { html in
            if let picture = item.picture {
                html.element("a", .href(Link.open(picture.href))) { html in
                    html.void("img", .src(Link.open(picture.href)), .set("alt", "Preview of \(item.id)"))
                }
            } else {
                html.element("p", .class("sub"), text: "No preview picture")
            }
        }
    }

    private func writeMap(_ files: StaticFiles, _ html: inout HTML) {
        guard let footprint = item.footprint else {
            return html.element("p", .class("sub nowhere"), text: "This item has no place on the map.")
        }
        html.element("div", .class("place"), .set("data-footprint", MapFigure.json(footprint))) { html in
            var figure = MapFigure(
                shapes: [MapFigure.Shape(footprint, box: item.box, label: item.id)],
                label: "Footprint: \(Words.place(item.box ?? footprint.boundingBox))", hasLeaflet: files.hasLeaflet)
            if item.hasRaster { figure.pictures = (Link.pictures(item.collection, item.id), true) }
            figure.write(to: &html)
            html.element("p", .class("sub"), text: Words.place(item.box ?? footprint.boundingBox))
        }
    }

    private func writeProperties(_ html: inout HTML) {
        html.element("section", .class("panel"), .set("aria-labelledby", "properties")) { html in
            html.element("h2", .id("properties"), text: "Properties")
            html.element("dl", .class("facts")) { html in
                for member in PropertyNames.sorted(item.properties).prefix(200) {
                    if let words = PropertyNames.words(member.name) {
                        html.element("dt", .set("title", member.name), text: words)
                    } else {
                        html.element("dt") { $0.element("code", text: member.name) }
                    }
                    html.element("dd", text: PropertyNames.value(member))
                }
                html.entry("Catalogued", Words.time(item.updated))
                if let product = item.product {
                    html.entry(
                        "Stored at",
                        "s3://\(item.collection)/\(product.hasSuffix("*") ? String(product.dropLast()) : product)")
                }
            }
            html.element("p", .class("links")) { html in
                html.element(
                    "a", .href("/stac" + Link.item(item.collection, item.id)), text: "STAC item as JSON")
            }
        }
    }
}
