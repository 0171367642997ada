import Catalogue
import Testing
import Wire

@testable import Workers

@Suite struct ProductPathTests {
    @Test(
        "objects find the product that they belong to",
        arguments: [
            ("S2A_X.SAFE/manifest.safe", "S2A_X.SAFE/", "S2A_X"),
            ("2023/08/S2A_X.SAFE/GRANULE/L2A/IMG_DATA/B02.jp2", "2023/08/S2A_X.SAFE/", "S2A_X"),
            ("cube.zarr/0.0.0", "cube.zarr/", "cube"),
            ("2020/01/scene/B1.tif", "2020/01/scene/", "2020_01_scene"),
            ("scene/B1.tif", "scene/", "scene"),
            ("scene.tif", "scene*", "scene"),
            ("scene.tif.aux.xml", "scene*", "scene"),
            ("scene.json", "scene*", "scene"),
            ("scene.TIF", "scene*", "scene"),
            (".json", ".json*", ".json"),
        ])
    func paths(key: String, path: String, id: String) throws {
        let product = try #require(ProductPath(key: key))
        #expect(product.text == path)
        #expect(product.itemID == id)
        #expect(product.contains(key))
        #expect(key.hasPrefix(product.prefix))
    }

    @Test("the node's own objects belong to no product", arguments: [".martlet/previews/a.png", "", "/"])
    func none(key: String) {
        #expect(ProductPath(key: key) == nil)
    }

    @Test("a neighbour whose name begins the same is another product")
    func neighbours() throws {
        let product = try #require(ProductPath(key: "scene.tif"))
        #expect(!product.contains("scene2.tif"))
        #expect(!product.contains("scene/B1.tif"))
        let folder = try #require(ProductPath(key: "a/b/c.tif"))
        #expect(!folder.contains("a/b/d/e.tif"))
    }
}

@Suite struct AssetAddressTests {
    @Test(
        "relative addresses are resolved, others stay",
        arguments: [
            ("B1.tif", "http://h:9000/eo/scene/B1.tif"), ("./B1.tif", "http://h:9000/eo/scene/B1.tif"),
            ("../x/B1.tif", "http://h:9000/eo/x/B1.tif"), ("../../../../x", "http://h:9000/x"),
            ("https://example.org/a", "https://example.org/a"), ("s3://b/k", "s3://b/k"), ("/vsicurl/x", "/vsicurl/x"),
            ("a:b.tif", "a:b.tif"), ("sub dir/a:b.tif", "http://h:9000/eo/scene/sub dir/a:b.tif"),
        ])
    func resolving(href: String, expected: String) throws {
        let item: JSONValue = ["type": "Feature", "assets": ["data": ["href": .string(href), "n": 1]]]
        let out = AssetAddresses.absolute(item, item.bytes, base: "http://h:9000/eo/scene/item.json")
        #expect(try JSONValue(parsing: out)["assets"]?["data"]?["href"]?.string == expected)
        #expect(try JSONValue(parsing: out)["assets"]?["data"]?["n"]?.integer == 1)
    }

    @Test("an item without relative addresses keeps its bytes to the letter")
    func untouched() {
        let text = #"{ "type":"Feature",  "assets" : { "a": {"href":"https://x/y", "v": 1.50} } }"#
        let bytes = Array(text.utf8)
        let value = try? JSONValue(parsing: bytes)
        #expect(AssetAddresses.absolute(value ?? .null, bytes, base: "http://h/eo/i.json") == bytes)
    }
}
