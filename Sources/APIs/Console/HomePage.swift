import Catalogue
import HTTPSupport
import Identity
import Wire

/// What there is: the collections that somebody may see, on the map and in words, and the newest items.
struct HomePage {
    struct Row: Sendable {
        var collection: CatalogueCollection
        var newest: ItemView?
    }

    let principal: Principal
    let rows: [Row]
    /// The name behind which the next page begins; nil on the last one.
    let next: String?
    let newest: [ItemView]
    let addresses: NodeAddresses

    /// Newest items that are seen at once; the others are on the map, and in the list when it is opened.
    private static let listedMax = 12

    func response(_ files: StaticFiles) -> Response {
        var page = Page("Martlet", principal)
        page.hasMap = true
        return page.response(files) { html in
            guard !rows.isEmpty else { return writeEmpty(&html) }
            html.element("h1", text: "Collections")
            writeMap(files, &html)
            html.element("div", .class("columns")) { html in
                html.element("section", .set("aria-labelledby", "all")) { writeCollections(&$0) }
                html.element("section", .set("aria-labelledby", "newest")) { writeNewest(&$0) }
            }
            html.element("details", .class("how")) { html in
                html.element("summary", text: "How to bring data in")
                writeUpload(&html)
            }
        }
    }

    private func writeMap(_ files: StaticFiles, _ html: inout HTML) {
        var shapes = rows.compactMap { row in
            row.collection.area.map {
                MapFigure.Shape(MapFigure.outline($0), box: $0, label: row.collection.name, isExtent: true)
            }
        }
        shapes += newest.compactMap { item in item.footprint.map { MapFigure.Shape($0, box: item.box, label: item.id) }
        }
        MapFigure(
            shapes: shapes, label: "World map of what the collections cover", isWorld: true,
            hasLeaflet: files.hasLeaflet
        ).write(to: &html)
    }

    private func writeCollections(_ html: inout HTML) {
        html.raw("<h2 id=\"all\">All collections</h2><ul class=\"cards\">")
        for row in rows {
            let collection = row.collection
            html.element(
                "li", .class("card"),
                .set("data-footprint", collection.area.map { MapFigure.json(MapFigure.outline($0)) }),
                .set("data-kind", "extent")
            ) { html in
                html.element("h3") { $0.element("a", .href(Link.collection(collection.name)), text: collection.title) }
                if collection.title != collection.name { html.element("p", .class("sub"), text: collection.name) }
                html.element("p", .class("figures")) { html in
                    html.element("strong", text: Words.count(collection.itemCount, "item", "items"))
                    if let times = collection.times { html.element("span", text: Words.days(times)) }
                    if let area = collection.area { html.element("span", text: Words.place(area)) }
                }
                if let newest = row.newest {
                    html.element("p", .class("sub")) { html in
                        html.text("Newest: ")
                        html.element("a", .href(newest.link), text: newest.id)
                    }
                }
            }
        }
        html.raw("</ul>")
        if let next {
            html.element("nav", .class("pages"), .set("aria-label", "Pages")) { html in
                html.element(
                    "a", .class("button"), .href("/?after=" + PercentEncoding.encode(next)), text: "More collections")
            }
        }
    }

    private func writeNewest(_ html: inout HTML) {
        html.raw("<h2 id=\"newest\">Newest items</h2>")
        guard !newest.isEmpty else {
            return html.element(
                "p", .class("sub"), text: "None yet. A product appears here some seconds after its last file has come.")
        }
        writeList(newest.prefix(Self.listedMax), &html)
        let others = newest.dropFirst(Self.listedMax)
        guard !others.isEmpty else { return }
        html.element("details") { html in
            html.element("summary", text: Words.count(Int64(others.count), "more", "more"))
            writeList(others, &html)
        }
    }

    private func writeList(_ items: ArraySlice<ItemView>, _ html: inout HTML) {
        html.element("ol", .class("items compact")) { html in
            for item in items {
                html.element("li", .set("data-footprint", item.footprint.map(MapFigure.json))) { html in
                    html.thumbnail(item, in: newest)
                    html.element("div") { html in
                        html.element("a", .href(item.link), text: item.id)
                        html.element("p", .class("sub")) { html in
                            html.text(item.collection + " · ")
                            html.time(item.times)
                        }
                    }
                }
            }
        }
    }

    // MARK: Nothing there

    private func writeEmpty(_ html: inout HTML) {
        html.element("div", .class("empty")) { html in
            html.element("h1", text: "No collections yet")
            html.element(
                "p", .class("lead"),
                text:
                    "Upload a product, and it appears here: as an item on the map, with its files, preview and trace. "
                    + "If there should be data already, ask the node's administrators for a policy that lets you see them."
            )
            writeUpload(&html)
        }
    }

    private func writeUpload(_ html: inout HTML) {
        html.element("h2", text: "With Martlet's own command")
        html.command(
            """
            export MARTLET_URL=\(addresses.web)
            martlet login
            martlet cp -r ./EXAMPLE.SAFE s3://my-collection/
            """)
        html.element("h2", text: "With any S3 client")
        html.element("p", text: "Make an access key first; its secret is shown once:")
        html.command("martlet key create --account \(principal.name)")
        html.element("p", text: "Set the three lines that it prints in your environment, and then:")
        html.command(
            """
            aws --endpoint-url \(addresses.s3) s3 mb s3://my-collection
            aws --endpoint-url \(addresses.s3) s3 cp --recursive ./EXAMPLE.SAFE s3://my-collection/EXAMPLE.SAFE
            """)
        html.command(
            "rclone copy ./EXAMPLE.SAFE "
                + "\":s3,provider=Other,env_auth=true,endpoint='\(addresses.s3)':my-collection/EXAMPLE.SAFE\""
        )
    }
}

extension CatalogueCollection {
    /// Its title if somebody gave it one, else its name.
    var title: String { document?["title"]?.string ?? name }
}
