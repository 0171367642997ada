import Catalogue
import Geometry
import HTTPSupport
import Identity
import NIOHTTP1
import Wire

/// The items of one collection, on the map and as a list that can be narrowed by time and place.
struct CollectionPage {
    let principal: Principal
    let collection: CatalogueCollection
    /// Objects in the collection, as far as they were counted; nil where the caller may not list them.
    let objects: (count: Int64, isMore: Bool)?
    /// Whether the caller may see items at all.
    let canSearch: Bool
    let query: CollectionQuery
    let items: [ItemView]
    /// Nil where the caller may not search.
    let matched: MatchedCount?
    let previous: PageToken?
    let next: PageToken?

    func response(_ files: StaticFiles) -> Response {
        var page = Page(collection.title, principal)
        page.hasMap = true
        if !query.problems.isEmpty { page.status = .badRequest }
        return page.response(files) { html in
            html.trail([("Collections", "/")], here: collection.name)
            html.element("h1", text: collection.title)
            writeFacts(&html)
            guard canSearch else {
                return html.element(
                    "p", .class("lead"),
                    text: "You may list this collection's objects over S3, but not search its items.")
            }
            writeFilters(&html)
            for problem in query.problems { html.element("p", .class("problem"), .set("role", "alert"), text: problem) }
            html.element("div", .class("split")) { html in
                html.element("div", .class("split-map")) { writeMap(files, &$0) }
                html.element("section", .set("aria-labelledby", "items")) { writeItems(&$0) }
            }
        }
    }

    private func writeFacts(_ html: inout HTML) {
        if let text = collection.document?["description"]?.string {
            html.element("p", .class("lead"), text: text.prefix(2000))
        }
        html.element("p", .class("figures")) { html in
            html.element("strong", text: Words.count(collection.itemCount, "item", "items"))
            if let objects {
                html.element(
                    "span",
                    text: objects.isMore
                        ? "more than \(Words.count(objects.count)) files" : Words.count(objects.count, "file", "files"))
            }
            if let times = collection.times { html.element("span", text: Words.days(times)) }
            if let area = collection.area { html.element("span", text: Words.place(area)) }
            html.element("span", text: "kept by \(collection.owner)")
        }
    }

    private func writeFilters(_ html: inout HTML) {
        html.element(
            "form", .class("filters"), .set("method", "get"), .set("role", "search"), .set("aria-label", "Filter items")
        ) { html in
            field("From", "from", "date", query.from, nil, &html)
            field("To", "to", "date", query.to, nil, &html)
            field("Area: west, south, east, north", "bbox", "text", query.area, "anywhere", &html)
            html.raw("<div class=\"actions\"><button type=\"submit\">Filter</button>")
            html.raw("<button type=\"button\" class=\"quiet\" data-map-view hidden>Use map view</button>")
            if query.isFiltered || !query.problems.isEmpty {
                html.element("a", .class("button quiet"), .href(Link.collection(collection.name)), text: "Clear")
            }
            html.raw("</div>")
        }
    }

    private func field(
        _ label: String, _ name: String, _ type: String, _ value: String, _ hint: String?, _ html: inout HTML
    ) {
        html.element("div", .class("field " + name)) { html in
            html.element("label", .set("for", "filter-" + name), text: label)
            html.void(
                "input", .id("filter-" + name), .set("name", name), .set("type", type), .set("value", value),
                .set("placeholder", hint), .set("autocomplete", "off"), .set("spellcheck", "false"))
        }
    }

    private func writeMap(_ files: StaticFiles, _ html: inout HTML) {
        var shapes = items.compactMap { item in
            item.footprint.map { MapFigure.Shape($0, box: item.box, label: item.id) }
        }
        if shapes.isEmpty, let area = query.box ?? collection.area {
            shapes = [
                MapFigure.Shape(MapFigure.outline(area), box: area, label: "what the collection covers", isExtent: true)
            ]
        }
        var figure = MapFigure(
            shapes: shapes, label: "Map of the items on this page", hasLeaflet: files.hasLeaflet)
        if items.contains(where: \.hasRaster) {
            let query = query.pictures.encoded
            figure.pictures = (Link.pictures(collection.name) + (query.isEmpty ? "" : "?" + query), false)
        }
        figure.write(to: &html)
        let unplaced = items.filter { $0.footprint == nil }.count
        if unplaced > 0 {
            html.element(
                "p", .class("sub"),
                text: "\(Words.count(Int64(unplaced), "item", "items")) of this page without a place: in the list only."
            )
        }
    }

    private func writeItems(_ html: inout HTML) {
        html.element("h2", .id("items"), text: heading)
        guard !items.isEmpty else {
            return html.element(
                "p", .class("sub"),
                text: query.isFiltered
                    ? "Nothing matches. Widen the dates or the area."
                    : "No items yet. A product becomes an item some seconds after its last file has come.")
        }
        html.element("ol", .class("items")) { html in
            for item in items { write(item, &html) }
        }
        guard previous != nil || next != nil else { return }
        html.element("nav", .class("pages"), .set("aria-label", "Pages")) { html in
            if let previous {
                html.element(
                    "a", .class("button"), .set("rel", "prev"), .href(query.link(collection.name, token: previous)),
                    text: "Newer")
            }
            if let next {
                html.element(
                    "a", .class("button"), .set("rel", "next"), .href(query.link(collection.name, token: next)),
                    text: "Older")
            }
        }
    }

    private var heading: String {
        let count = Words.count(matched?.count ?? 0, "item", "items")
        return (matched?.isEstimate == true ? "About \(count)" : count) + (query.isFiltered ? " found" : "")
    }

    private func write(_ item: ItemView, _ html: inout HTML) {
        html.element("li", .set("data-footprint", item.footprint.map(MapFigure.json))) { html in
            html.thumbnail(item, in: items)
            html.element("div") { html in
                html.element("a", .href(item.link), text: item.id)
                html.element("p", .class("sub figures")) { html in
                    html.element("span") { $0.time(item.times) }
                    if let cloud = item.cloudCover {
                        html.element("span", text: "cloud \(Words.decimal(cloud, digits: 0)) %")
                    }
                    if let platform = item.properties["platform"]?.string { html.element("span", text: platform) }
                }
            }
        }
    }
}
