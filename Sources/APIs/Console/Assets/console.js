// Adds to pages that are whole without it: the moving map, copy buttons, and rows and footprints that know each other.
"use strict";

const worldAddress = document.currentScript.dataset.world;
const bySelector = (selector) => Array.from(document.querySelectorAll(selector));

// --- Copying

async function copy(button, find) {
    const label = button.textContent;
    button.disabled = true;
    try {
        await put(await find());
        button.textContent = "Copied";
    } catch (error) {
        button.textContent = error.message || "Failed";
    }
    button.disabled = false;
    setTimeout(() => { button.textContent = label; }, 2500);
}

// The clipboard interface exists on https and on this machine only; elsewhere the older way still works.
async function put(text) {
    if (navigator.clipboard) return navigator.clipboard.writeText(text);
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "hidden";
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (!done) throw new Error("Not allowed");
}

async function signed(href) {
    const response = await fetch("/sign?href=" + encodeURIComponent(href), { headers: { Accept: "application/json" } });
    if (!response.ok) throw new Error(response.status === 403 ? "Not allowed" : "Failed");
    return (await response.json()).href;
}

for (const button of bySelector("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button, () => button.parentElement.querySelector("code").textContent));
}
for (const button of bySelector("[data-sign]")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button, () => signed(button.dataset.sign)));
}

// --- Passkeys

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const textOf = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const named = (ids) => ids.split(" ").filter(Boolean).map((id) => ({ type: "public-key", id: bytesOf(id) }));

async function prove({ challenge, party, known }, options = {}) {
    const made = await navigator.credentials.get({
        ...options,
        publicKey: {
            challenge: bytesOf(challenge), rpId: party, userVerification: "required", allowCredentials: named(known),
        },
    });
    const { clientDataJSON, authenticatorData, signature, userHandle } = made.response;
    return {
        credential: textOf(made.rawId), user: userHandle ? textOf(userHandle) : "", clientData: textOf(clientDataJSON),
        authenticatorData: textOf(authenticatorData), signature: textOf(signature),
    };
}

async function make({ challenge, party, user, name, shown, known }) {
    const made = await navigator.credentials.create({
        publicKey: {
            challenge: bytesOf(challenge), rp: { id: party, name: "Martlet" }, attestation: "none",
            user: { id: bytesOf(user), name, displayName: shown },
            pubKeyCredParams: [-7, -8, -257].map((alg) => ({ type: "public-key", alg })),
            excludeCredentials: named(known),
            authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
        },
    });
    return { clientData: textOf(made.response.clientDataJSON), attestation: textOf(made.response.attestationObject) };
}

function send(form, values) {
    for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
    form.submit();
}

// A field that takes passkeys has the browser offer them where it offers names. A button takes over from that.
const offered = new AbortController();

async function offerPasskeys(form) {
    if (!document.querySelector("[autocomplete~=webauthn]")) return;
    if (!await PublicKeyCredential.isConditionalMediationAvailable?.()) return;
    // Nobody has asked for anything yet: what fails here is not told.
    const values = await prove(form.dataset, { mediation: "conditional", signal: offered.signal }).catch(() => null);
    if (values) send(form, values);
}

for (const form of window.PublicKeyCredential ? bySelector("form[data-passkey]") : []) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        const button = form.querySelector("button");
        const label = button.textContent;
        button.disabled = true;
        offered.abort();
        try {
            send(form, await (form.dataset.passkey === "get" ? prove : make)(form.dataset));
        } catch (error) {
            button.textContent = error.name === "InvalidStateError" ? "It is known already" : "That did not work";
            setTimeout(() => { button.textContent = label; button.disabled = false; }, 2500);
        }
    });
    if (form.dataset.passkey === "get") offerPasskeys(form);
}

// --- Map

const lines = (list) => list.map((line) => {
    const out = [];
    let x = 0, y = 0;
    for (let i = 0; i + 1 < line.length; i += 2) {
        x += line[i];
        y += line[i + 1];
        out.push([y / 10, x / 10]);
    }
    return out;
});
const shifted = (rings, by) => rings.map((ring) => ring.map(([lat, lon]) => [lat, lon + by]));

// Parts of a footprint on both sides of the antimeridian are drawn side by side.
function joined(geometry) {
    const all = [];
    const walk = (value) => typeof value[0] === "number" ? all.push(value) : value.forEach(walk);
    if (!geometry.coordinates) return geometry;
    walk(geometry.coordinates);
    const longitudes = all.map((position) => position[0]);
    const reachesBoth = Math.max(...longitudes) > 179 && Math.min(...longitudes) < -179;
    if (reachesBoth && !longitudes.some((x) => Math.abs(x) < 90)) {
        for (const position of all) if (position[0] < 0) position[0] += 360;
    }
    return geometry;
}

// Degrees on both axes, narrowed by the cosine of the middle latitude: poles stay on the map, and shapes are true.
function grid(latitude) {
    const narrow = Math.max(0.1, Math.cos(latitude * Math.PI / 180));
    return L.extend({}, L.CRS.EPSG4326, { wrapLng: undefined, transformation: new L.Transformation(narrow / 180, 1, -1 / 180, 0.5) });
}

function placed(row, isWorld) {
    const geometry = JSON.parse(row.dataset.footprint);
    return isWorld ? geometry : joined(geometry);
}

function start(frame) {
    const isWorld = frame.dataset.map === "world";
    const rows = bySelector("[data-footprint]").map((row) => ({ row, geometry: placed(row, isWorld) }));
    const plain = L.geoJSON(rows.map((entry) => entry.geometry));
    const bounds = plain.getBounds();
    const view = isWorld || !bounds.isValid() ? L.latLngBounds([-58, -170], [76, 180]) : bounds.pad(rows.length > 1 ? 0.3 : 0.8);
    frame.querySelector(".outline").remove();
    const map = L.map(frame, {
        crs: grid(isWorld ? 0 : Math.max(-84, Math.min(84, view.getCenter().lat))), zoomSnap: 0.25, minZoom: -1, maxZoom: 14,
        attributionControl: false, worldCopyJump: false, fadeAnimation: false, maxBounds: [[-90, -540], [90, 540]], keyboard: true,
    });
    map.createPane("world").style.zIndex = 250;
    const canvas = L.canvas({ pane: "world", padding: 0.5 });
    map.fitBounds(view, { maxZoom: 9, animate: false });
    fetch(worldAddress).then((response) => response.json()).then((world) => drawWorld(map, canvas, world));
    L.control.scale({ imperial: false }).addTo(map);
    drawPictures(map, frame);
    drawRows(map, rows, isWorld);
    bindView(map);
}

function drawWorld(map, canvas, world) {
    const style = getComputedStyle(document.documentElement);
    const land = lines(world.land), borders = lines(world.borders);
    let layers = [];
    const draw = () => {
        layers.forEach((layer) => layer.remove());
        const colour = (name) => style.getPropertyValue(name).trim();
        layers = [-360, 0, 360].flatMap((by) => [
            L.polygon(shifted(land, by).map((ring) => [ring]), {
                renderer: canvas, pane: "world", interactive: false, stroke: true, weight: 0.7, color: colour("--coast"),
                fillColor: colour("--land"), fillOpacity: 1,
            }).addTo(map),
            L.polyline(shifted(borders, by), {
                renderer: canvas, pane: "world", interactive: false, weight: 0.6, color: colour("--coast"),
            }).addTo(map),
        ]);
    };
    draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}

// Pictures of what lies on the map, each of a box in degrees: the map's own grid is no grid of tiles.
const Pictures = window.L && L.TileLayer.extend({
    getTileUrl(coords) {
        const corner = coords.scaleBy(this.getTileSize());
        const [upper, lower] = [corner, corner.add(this.getTileSize())].map((point) => this._map.unproject(point, coords.z));
        const box = [upper.lng, lower.lat, lower.lng, upper.lat].map((x) => x.toFixed(7)).join(",");
        const edge = L.Browser.retina ? 512 : 256;
        const [path, query] = this._url.split("?");
        return `${path}${box}/${edge}x${edge}.png${query ? "?" + query : ""}`;
    },
});

function drawPictures(map, frame) {
    if (!frame.dataset.pictures) return;
    // A footprint that is smaller than a picture's edge is not worth one.
    map.createPane("pictures").style.zIndex = 300;
    const minZoom = Math.max(2, Math.floor(map.getZoom()) - 2);
    const layer = new Pictures(frame.dataset.pictures, { pane: "pictures", minZoom, maxZoom: 14 });
    // What a footprint is filled with would lie over them.
    layer.on("add", () => frame.classList.add("pictured")).on("remove", () => frame.classList.remove("pictured"));
    L.control.layers(null, { Pictures: layer }, { collapsed: false }).addTo(map);
    if (frame.dataset.shown !== undefined) layer.addTo(map);
}

function drawRows(map, rows, isWorld) {
    for (const { row, geometry } of rows) {
        const isExtent = row.dataset.kind === "extent";
        const link = row.querySelector("a[href^='/collections/']");
        const layer = L.geoJSON(geometry, {
            className: isExtent ? "footprint extent" : "footprint",
            style: { weight: isExtent ? 1 : 1.5 },
            pointToLayer: (_, at) => L.circleMarker(at, { radius: 5, className: "footprint" }),
        }).addTo(map);
        if (isExtent) layer.bringToBack();
        const mark = (on) => {
            row.classList.toggle("marked", on);
            layer.eachLayer((part) => part.getElement && part.getElement() && part.getElement().classList.toggle("marked", on));
            if (on && !isExtent) layer.bringToFront();
        };
        if (!link) continue;
        layer.bindTooltip(tip(link.textContent), { sticky: true, className: "tip" });
        layer.on("mouseover", () => mark(true)).on("mouseout", () => mark(false)).on("click", () => { location.href = link.href; });
        row.addEventListener("mouseenter", () => mark(true));
        row.addEventListener("mouseleave", () => mark(false));
        row.addEventListener("focusin", () => mark(true));
        row.addEventListener("focusout", () => mark(false));
        // On the world a scene is smaller than a pixel: a dot stands for it until one is near.
        if (isWorld && !isExtent) dot(map, layer, link, mark);
    }
}

// Leaflet takes a string for markup, an element for what it is.
function tip(text) {
    const element = document.createElement("span");
    element.textContent = text;
    return element;
}

function dot(map, layer, link, mark) {
    const at = L.circleMarker(layer.getBounds().getCenter(), { radius: 4, className: "footprint dot" });
    const update = () => {
        const box = layer.getBounds();
        const size = map.latLngToContainerPoint(box.getNorthEast()).distanceTo(map.latLngToContainerPoint(box.getSouthWest()));
        if (size < 14) at.addTo(map); else at.remove();
    };
    at.on("mouseover", () => mark(true)).on("mouseout", () => mark(false)).on("click", () => { location.href = link.href; });
    map.on("zoomend", update);
    update();
}

// "Use map view" takes what the map shows as the area to search.
function bindView(map) {
    for (const button of bySelector("[data-map-view]")) {
        button.hidden = false;
        button.addEventListener("click", () => {
            const box = map.getBounds();
            const round = (value, least, most) => String(Math.round(Math.max(least, Math.min(most, value)) * 1000) / 1000);
            const turned = (x) => box.getEast() - box.getWest() >= 360 ? null : ((x + 540) % 360 + 360) % 360 - 180;
            const [west, east] = [turned(box.getWest()), turned(box.getEast())];
            button.form.elements.bbox.value = [
                west === null ? "-180" : round(west, -180, 180), round(box.getSouth(), -90, 90),
                east === null ? "180" : round(east, -180, 180), round(box.getNorth(), -90, 90),
            ].join(",");
            button.form.requestSubmit();
        });
    }
}

if (window.L) bySelector("[data-map]").forEach(start);
